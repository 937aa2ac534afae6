package ui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/a-h/templ"

	"signboard/inventory"
)

// longName is the length, in characters, from which a name is shown by its two
// ends with the whole of it a click away.
const longName = 240

// Relative says how long before or after now a moment is: "3 hours ago", "in 2
// days".
func Relative(now, t time.Time) string {
	d, format := now.Sub(t), "%s ago"
	if d < 0 {
		d, format = -d, "in %s"
	}
	switch {
	case d < time.Minute:
		if format == "%s ago" {
			return "just now"
		}
		return "in a moment"
	case d < time.Hour:
		return fmt.Sprintf(format, Count(int(d/time.Minute), "minute", "minutes"))
	case d < 48*time.Hour:
		return fmt.Sprintf(format, Count(int(d/time.Hour), "hour", "hours"))
	case d < 60*24*time.Hour:
		return fmt.Sprintf(format, Count(int(d/(24*time.Hour)), "day", "days"))
	case d < 2*365*24*time.Hour:
		return fmt.Sprintf(format, Count(int(d/(30*24*time.Hour)), "month", "months"))
	}
	return fmt.Sprintf(format, Count(int(d/(365*24*time.Hour)), "year", "years"))
}

// Exact is a moment to the second in UTC.
func Exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Every says an interval: "every 15 minutes".
func Every(d time.Duration) string {
	switch {
	case d <= 0:
		return "when asked"
	case d%(24*time.Hour) == 0:
		if d == 24*time.Hour {
			return "every day"
		}
		return "every " + Count(int(d/(24*time.Hour)), "day", "days")
	case d%time.Hour == 0:
		if d == time.Hour {
			return "every hour"
		}
		return "every " + Count(int(d/time.Hour), "hour", "hours")
	case d%time.Minute == 0:
		if d == time.Minute {
			return "every minute"
		}
		return "every " + Count(int(d/time.Minute), "minute", "minutes")
	}
	return "every " + d.String()
}

// digestParts splits a digest so that the middle can be folded away while the
// whole stays in the text to select.
func digestParts(d inventory.Digest) (head, middle, tail string) {
	s := string(d)
	start := len(d.Algorithm()) + 1 + 8
	if d.Hex() == "" || len(s) < start+8 {
		return inventory.Visible(s), "", ""
	}
	return s[:start], s[start : len(s)-4], s[len(s)-4:]
}

// breakable writes a name with the places where a line may break: after a
// slash, so that a path breaks between its segments before anything else.
func breakable(s string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		for i, part := range strings.SplitAfter(s, "/") {
			if i > 0 && part != "" && part != "/" {
				if _, err := io.WriteString(w, "<wbr>"); err != nil {
					return err
				}
			}
			if _, err := io.WriteString(w, templ.EscapeString(part)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Name shows text that came from outside: characters that can't be seen or
// that reorder others are written out, and a name that holds such, or mixes
// look-alike letters, is marked. A very long one is shown by its two ends.
func Name(s string) templ.Component {
	return named(Middle(inventory.Visible(s), longName), inventory.Suspicious(s))
}

// SignerName is a signer's name in a line of text, without the mark of unusual
// characters; the signer's page has the whole of it.
func SignerName(s inventory.Signer) templ.Component { return named(ShortName(s), false) }

// SignerInFull is a signer's name as long as it is, up to what no real one
// reaches, without the mark of unusual characters.
func SignerInFull(s inventory.Signer) templ.Component {
	name := s.Name
	if name == "" {
		name = string(s.ID)
	}
	return named(Middle(inventory.Visible(name), longName), false)
}

// named is written by hand, since a template would leave spaces around the
// name, and a link would underline them.
func named(shown string, unusual bool) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, `<bdi class="name">`); err != nil {
			return err
		}
		if err := breakable(shown).Render(ctx, w); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "</bdi>"); err != nil || !unusual {
			return err
		}
		return Unusual().Render(ctx, w)
	})
}
