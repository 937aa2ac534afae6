package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"signboard/inventory"
	"signboard/views/ui"
)

// page prints images for a person. Everything that came from outside is printed
// with what can't be seen made visible, and on a terminal lines are no wider
// than it.
type page struct {
	out    io.Writer
	base   string // address of the server, for links
	width  int    // of a line; 0: as long as it is
	colour bool
	err    error // the first of writing
}

// newPage prints to out. Colour is for terminals, unless NO_COLOR
// (no-color.org) is set.
func newPage(out io.Writer, base string) *page {
	p := &page{out: out, base: base}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.width = 80
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		p.width = max(w, 30)
	}
	p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return p
}

// Colours, as Select Graphic Rendition parameters (ECMA-48, 8.3.117).
const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
)

func (p *page) in(colour, text string) string {
	if !p.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (p *page) print(text string) {
	if _, err := io.WriteString(p.out, text+"\n"); err != nil && p.err == nil {
		p.err = err
	}
}

// line prints text after a head, with what doesn't fit in further lines under
// its beginning. The head is ours; the text may be anybody's.
func (p *page) line(head, colour, text string) {
	indent := utf8.RuneCountInString(head)
	lines := wrap(inventory.Visible(text), p.width-indent, p.width > 0)
	if colour != "" {
		plain := strings.TrimLeft(head, " ")
		head = head[:len(head)-len(plain)] + p.in(colour, strings.TrimRight(plain, " ")) + plain[len(strings.TrimRight(plain, " ")):]
	}
	for n, l := range lines {
		if n > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.print(strings.TrimRight(head+l, " "))
	}
}

// wrap breaks text between words. A word that is too long for a line stays in
// one piece, so that it can be copied.
func wrap(text string, width int, narrow bool) []string {
	if !narrow || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line, length := "", 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if length > 0 {
			line += " "
			length++
		}
		line += word
		length += n
	}
	return append(lines, line)
}

// field prints a named value.
func (p *page) field(indent int, name, value string) {
	head := fmt.Sprintf("%s%-11s", strings.Repeat(" ", indent), name)
	if !strings.HasSuffix(head, " ") {
		head += " "
	}
	p.line(head, dim, value)
}

// image prints what the image's page would show. n is how many were printed
// before.
func (p *page) image(r reference, i inventory.Image, n int) {
	if n > 0 {
		p.print("")
	}
	word, colour := string(i.Status), statusColour(i.Status)
	if i.Quarantine != nil {
		word, colour = fmt.Sprintf("%s (otherwise %s)", inventory.Quarantined, word), magenta
	}
	p.print(p.in(bold+";"+colour, word) + "  " + inventory.Visible(r.typed))
	p.line("", "", i.Message)
	p.field(2, "why", fmt.Sprintf("%s, see %s/learn/%s", i.Reason, p.base, i.Reason))
	if q := i.Quarantine; q != nil {
		p.field(2, "held by", fmt.Sprintf("%s since %s: %s", q.By, ui.Exact(q.At), q.Reason))
	}
	if i.LastGood != nil {
		p.field(2, "last known", fmt.Sprintf("%s, %s", i.LastGood.Status, ui.Exact(i.LastGood.CheckedAt)))
	}
	if i.Digest != "" {
		p.field(2, "digest", string(i.Digest))
	}
	if len(i.Tags) > 0 {
		p.field(2, "tags", list(i.Tags))
	}
	if i.Kind == inventory.Artifact {
		p.field(2, "kind", "not an image but an artifact, "+i.MediaType)
	} else if i.MediaType != "" {
		p.field(2, "kind", string(i.Kind)+", "+i.MediaType)
	}
	if len(i.Teams) > 0 {
		p.field(2, "teams", list(i.Teams))
	}
	for k, s := range i.Signatures {
		p.print("")
		p.signature(s, fmt.Sprintf("signature %d of %d", k+1, len(i.Signatures)))
		p.command(inventory.Reproduce(i, s, r.registry.URL))
	}
	for k, a := range i.Attestations {
		p.print("")
		p.attestation(a, fmt.Sprintf("attestation %d of %d", k+1, len(i.Attestations)))
		p.command(inventory.ReproduceAttestation(i, a, r.registry.URL))
	}
	if len(i.Platforms) > 0 {
		p.print("")
		p.print("  platforms")
		for _, one := range i.Platforms {
			whose := "its own"
			if one.Inherited {
				whose = "from the signed index"
			}
			p.line(fmt.Sprintf("    %-12s ", one.Status), statusColour(one.Status), fmt.Sprintf("%s %s, %s", one.Platform, one.Digest, whose))
		}
	}
	for k, note := range i.Notes {
		if k == 0 {
			p.print("")
		}
		p.field(2, "note", note)
	}
}

func (p *page) signature(s inventory.Signature, title string) {
	p.outcome(s.Outcome, title+", "+ui.FormatWord(s.Format))
	p.line("  ", "", s.Message)
	if s.Reason != inventory.ReasonOK {
		p.field(4, "why", fmt.Sprintf("%s, see %s/learn/%s", s.Reason, p.base, s.Reason))
	}
	p.signer(s.Signer, s.Outcome)
	p.signedAt(s.SignedAt, s.SignedAtSource)
	if e := s.Expires; e != nil {
		p.field(4, "holds until", ui.Exact(e.At))
	}
	if s.Domain != "" {
		p.field(4, "root", s.Domain)
	}
	if s.Manifest != "" {
		p.field(4, "found in", string(s.Manifest))
	}
	p.checks(s.Checks)
	if len(s.Chain) > 0 {
		p.print("    chain, from the image to what it rests on")
		for _, l := range inOrder(s.Chain) {
			p.link(l)
		}
	}
}

func (p *page) attestation(a inventory.Attestation, title string) {
	p.outcome(a.Outcome, title+", says something of the image and doesn't sign it")
	p.line("  ", "", a.Message)
	p.field(4, "type", a.PredicateType)
	p.signer(a.Signer, a.Outcome)
	if a.SignedAt != nil {
		p.signedAt(a.SignedAt, a.SignedAtSource)
	}
	if a.Domain != "" {
		p.field(4, "root", a.Domain)
	}
	p.facts(4, a.Facts)
	if a.Manifest != "" {
		p.field(4, "found in", string(a.Manifest))
	}
	p.checks(a.Checks)
}

func (p *page) outcome(o inventory.Outcome, title string) {
	colour := map[inventory.Outcome]string{inventory.OutcomeVerified: green, inventory.OutcomeInvalid: red}[o]
	if colour == "" {
		colour = yellow
	}
	p.line("  "+string(o)+"  ", bold+";"+colour, title)
}

func (p *page) signer(s *inventory.Signer, o inventory.Outcome) {
	if s == nil {
		return
	}
	name := s.Name
	if name == "" {
		name = string(s.ID)
	}
	if o == inventory.OutcomeVerified {
		p.field(4, "signed by", fmt.Sprintf("%s (%s)", name, s.Standing))
	} else {
		p.field(4, "claims", "to be by "+name)
	}
	if inventory.Suspicious(name) {
		p.field(4, "", "This name holds characters that can't be seen, or that look like others.")
	}
	p.field(4, "signer id", string(s.ID))
	p.facts(6, s.Facts)
}

func (p *page) signedAt(at *time.Time, source inventory.SignedAtSource) {
	says := map[inventory.SignedAtSource]string{
		inventory.SignedAtTlog: "a transparency log says so", inventory.SignedAtAuthority: "a timestamp authority says so",
	}[source]
	switch {
	case at == nil:
		p.field(4, "signed at", "nothing says when")
	case says == "":
		p.field(4, "signed at", ui.Exact(*at)+", only the signer says so")
	default:
		p.field(4, "signed at", ui.Exact(*at)+", "+says)
	}
}

func (p *page) checks(checks []inventory.Check) {
	if len(checks) == 0 {
		return
	}
	p.print("    checks")
	for _, c := range checks {
		p.line(fmt.Sprintf("      %-5s ", c.Result), resultColour(c.Result), c.Name+": "+c.Message)
	}
}

// inOrder puts the branches of a chain after the signature, which they vouch
// for.
func inOrder(chain []inventory.Link) []inventory.Link {
	var line, branches []inventory.Link
	for _, l := range chain {
		if l.Role.Branch() {
			branches = append(branches, l)
		} else {
			line = append(line, l)
		}
	}
	at := 1 + slices.IndexFunc(line, func(l inventory.Link) bool { return l.Role == inventory.RoleSignature })
	if at == 0 {
		at = len(line)
	}
	return slices.Concat(line[:at], branches, line[at:])
}

// link prints one link of the chain; branches are set in.
func (p *page) link(l inventory.Link) {
	indent := 6
	if l.Role.Branch() {
		indent = 8
	}
	p.line(fmt.Sprintf("%s%-12s ", strings.Repeat(" ", indent), l.Role), bold, l.Name)
	indent += 2
	if l.Fingerprint != "" {
		p.line(strings.Repeat(" ", indent), "", l.Fingerprint)
	}
	if l.Issuer != "" {
		p.line(strings.Repeat(" ", indent), "", "issued by "+l.Issuer)
	}
	switch {
	case l.NotBefore != nil && l.NotAfter != nil:
		p.line(strings.Repeat(" ", indent), "", "valid from "+ui.Exact(*l.NotBefore)+" to "+ui.Exact(*l.NotAfter))
	case l.NotBefore != nil:
		p.line(strings.Repeat(" ", indent), "", "valid from "+ui.Exact(*l.NotBefore))
	case l.NotAfter != nil:
		p.line(strings.Repeat(" ", indent), "", "valid to "+ui.Exact(*l.NotAfter))
	}
	p.facts(indent, l.Facts)
	if len(l.Checks) > 0 {
		p.line(strings.Repeat(" ", indent)+"checks: ", dim, strings.Join(l.Checks, ", "))
	}
}

func (p *page) facts(indent int, facts []inventory.Fact) {
	for _, f := range facts {
		head := strings.Repeat(" ", indent) + inventory.Visible(f.Name) + ": "
		if !isPEM(f.Value) {
			p.line(head, dim, f.Value)
			continue
		}
		p.print(strings.TrimRight(head, " "))
		for l := range strings.SplitSeq(strings.TrimSpace(f.Value), "\n") {
			p.print(strings.Repeat(" ", indent+2) + l)
		}
	}
}

// isPEM reports whether a value is a block of PEM, which is meant to be copied
// with its line breaks, and holds nothing else.
func isPEM(s string) bool {
	return strings.HasPrefix(s, "-----BEGIN ") &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=- \n") == ""
}

// command prints a command to copy, in lines of its own.
func (p *page) command(c string) {
	if c == "" {
		return
	}
	p.print("    to check it again yourself")
	for l := range strings.SplitSeq(c, "\n") {
		p.print("      " + inventory.Visible(l))
	}
}

// list names things, and says how many more there are.
func list(names []string) string {
	const most = 20
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func statusColour(s inventory.Status) string {
	switch s {
	case inventory.Trusted:
		return green
	case inventory.Unapproved, inventory.Unverifiable:
		return yellow
	case inventory.Failed:
		return red
	case inventory.Quarantined:
		return magenta
	}
	return dim
}

func resultColour(r inventory.Result) string {
	switch r {
	case inventory.Pass:
		return green
	case inventory.Fail:
		return red
	case inventory.Skip:
		return dim
	}
	return yellow
}
