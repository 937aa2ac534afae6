package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/inventory/check"
	"signboard/inventory/store"
)

type checkCommand struct {
	Config    string        `help:"Ask the registries from here, with this configuration (- for standard input) and the decisions in its database. The default is signboard.yaml." placeholder:"FILE"`
	Server    string        `help:"Ask a running Signboard instead, at this address." placeholder:"URL"`
	TokenFile string        `help:"The file that holds the server's token, sgb_…; of a viewer is enough." placeholder:"FILE"`
	Format    string        `help:"table for a person, json for a program: the object of POST /api/v1/check, sarif for a code scanner." enum:"table,json,sarif" default:"table" placeholder:"table|json|sarif"`
	Timeout   time.Duration `help:"How long all of it may take." default:"2m"`
	Images    []string      `arg:"" name:"image" help:"host[:port]/repository[:tag|@digest], or the name of a configured registry in the place of its host."`
}

// Help is what --help adds.
func (checkCommand) Help() string {
	return `The gate of a pipeline. An image passes when it is trusted and nothing holds it
in quarantine. A tag is resolved at its registry now. Whatever can't be found
out doesn't pass.

Exit status: 0 when every image passes; 1 when policy says no to at least one,
even if others could not be decided; 2 when the command or the configuration
can't be understood; 3 when policy says no to none, but at least one could not
be decided, or nobody could be asked.`
}

// Run asks, prints the answer, and says with its exit status what to do.
func (c checkCommand) Run(e environment) error {
	ask, home, err := c.source(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(e.ctx, c.Timeout, fmt.Errorf("this took longer than %s", c.Timeout))
	defer cancel()
	answer, err := ask(ctx)
	if err != nil {
		return undecided(ctx, err)
	}
	switch c.Format {
	case "json":
		err = writeJSON(e.stdout, answer)
	case "sarif":
		err = writeJSON(e.stdout, newSARIF(answer, home))
	default:
		err = writeAnswer(e.stdout, answer, home)
	}
	if err != nil {
		return exit{exitUndecided, fmt.Sprintf("The answer could not be printed: %v", err)}
	}
	no, open := tally(answer)
	switch {
	case no > 0:
		return exit{exitFailed, fmt.Sprintf("%s of %d may not be used", plural(no, "image"), len(answer.Images))}
	case open > 0 || !answer.Allowed:
		return exit{exitUndecided, fmt.Sprintf("%s of %d could not be decided", plural(open, "image"), len(answer.Images))}
	}
	return nil
}

// source is whom to ask, and the address that people read more at. Its errors
// are those of the command line and of the configuration.
func (c checkCommand) source(e environment) (ask func(context.Context) (api.Answer, error), home string, err error) {
	switch {
	case c.Timeout <= 0:
		return nil, "", exit{exitUsage, "--timeout has to be longer than nothing."}
	case c.Server != "" && c.Config != "":
		return nil, "", exit{exitUsage, "Give either --config or --server, not both."}
	case c.Server == "" && c.TokenFile != "":
		return nil, "", exit{exitUsage, "--token-file belongs to --server, which says where to send the token."}
	case c.Server != "" && c.TokenFile == "":
		return nil, "", exit{exitUsage, "--server needs --token-file: a file that holds a token of that Signboard."}
	case c.Server != "":
		s, err := newServer(c.Server, c.TokenFile)
		if err != nil {
			return nil, "", err
		}
		return func(ctx context.Context) (api.Answer, error) { return s.check(ctx, c.Images) }, s.home, nil
	}
	if c.Config == "" {
		c.Config = "signboard.yaml"
	}
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return nil, "", err
	}
	return func(ctx context.Context) (api.Answer, error) { return c.here(ctx, e, config) }, config.BaseURL, nil
}

// here asks the registries from here. Without a database there are no decisions,
// and nothing can be decided.
func (c checkCommand) here(ctx context.Context, e environment, config *Config) (api.Answer, error) {
	db, err := store.OpenReading(ctx, config.Database)
	if err != nil {
		return api.Answer{}, err
	}
	a, err := wire(ctx, config, e.log, db, unwritten{db})
	if err != nil {
		return api.Answer{}, err
	}
	defer a.close()
	a.trust.refresh(ctx, e.log)
	// Nobody else waits, so each look may take its time.
	answer, err := a.gate(check.Options{Patience: c.Timeout, Turn: c.Timeout, Total: c.Timeout}).Check(ctx, c.Images)
	return api.NewAnswer(answer), err
}

// undecided is what went wrong, as the end of a check that nobody could answer:
// never the status that says that policy did.
func undecided(ctx context.Context, err error) error {
	if e, ok := errors.AsType[exit](err); ok {
		return e
	}
	if cause := context.Cause(ctx); cause != nil {
		return exit{exitUndecided, fmt.Sprintf("Nothing could be decided: %v.", cause)}
	}
	message := err.Error()
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		message = e.Message
	} else if e, ok := errors.AsType[*inventory.LookError](err); ok {
		message = e.Message
	}
	return exit{exitUndecided, "Nothing could be decided. " + inventory.Visible(message)}
}

// tally counts the images that policy says no to, and those that couldn't be
// decided.
func tally(a api.Answer) (no, open int) {
	for _, i := range a.Images {
		switch {
		case !i.Decided:
			open++
		case !i.Allowed:
			no++
		}
	}
	return no, open
}

// writeAnswer prints the answer for a person.
func writeAnswer(w io.Writer, a api.Answer, home string) error {
	var b strings.Builder
	for _, i := range a.Images {
		word := map[bool]string{true: "passes", false: "is refused"}[i.Allowed]
		if !i.Decided {
			word = "is undecided"
		}
		fmt.Fprintf(&b, "%s %s: %s (%s)\n", inventory.Visible(shorten(i.Reference)), word, inventory.Visible(string(i.Status)), inventory.Visible(string(i.Reason)))
		if i.Digest != "" && !strings.Contains(i.Reference, string(i.Digest)) {
			fmt.Fprintf(&b, "  %s\n", inventory.Visible(string(i.Digest)))
		}
		fmt.Fprintf(&b, "  %s\n", inventory.Visible(i.Message))
		if !i.Allowed && i.Reason.Known() && home != "" {
			fmt.Fprintf(&b, "  %s\n", learn(home, i.Reason))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// learn is where a reason is explained.
func learn(home string, r inventory.Reason) string {
	return strings.TrimSuffix(home, "/") + "/learn/" + string(r)
}
