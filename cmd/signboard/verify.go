package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/inventory/store"
)

type verifyCommand struct {
	Config string   `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Format string   `help:"table for a person, json for a program: an array of the API's Image objects." enum:"table,json" default:"table" placeholder:"table|json"`
	Images []string `arg:"" name:"image" help:"host[:port]/repository[:tag|@digest], or the name of a configured registry in the place of its host."`
}

// Help is what --help adds.
func (verifyCommand) Help() string {
	return `Each image is looked at in its registry, its signatures are checked, and the
verdict is passed with the decisions that are in the database. Nothing is
written there, so this works while the server runs, and for images that were
never synced.

Exit status: 0 when every image could be looked at, whatever the verdict;
2 when the command or the configuration can't be understood; 3 when an image,
or a part of it, could not be checked.`
}

// abreast is how many images are looked at at once.
const abreast = 4

// Run looks at the images and prints them in the order they were given.
func (c verifyCommand) Run(e environment) error {
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	references := make([]reference, len(c.Images))
	for i, typed := range c.Images {
		if references[i], err = config.locate(typed); err != nil {
			return err
		}
	}
	a, done, err := openReading(e, config)
	if err != nil {
		return err
	}
	defer done()
	a.trust.refresh(e.ctx, e.log)

	ctx, cancel := context.WithCancel(e.ctx)
	sights := make([]chan sight, len(references))
	for i := range sights {
		sights[i] = make(chan sight, 1)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var group errgroup.Group
		group.SetLimit(abreast)
		for i, r := range references {
			group.Go(func() error {
				sights[i] <- a.look(ctx, r)
				return nil
			})
		}
		group.Wait()
	}()
	defer func() { cancel(); <-ended }()

	out := newPage(e.stdout, config.BaseURL)
	objects := make([]api.Image, 0, len(references))
	var problems []string
	unread := 0
	for i, r := range references {
		s := <-sights[i]
		if s.err != nil {
			return s.err
		}
		if c.Format == "json" {
			objects = append(objects, api.NewImage(s.image, r.registry.URL))
		} else {
			out.image(r, s.image, i)
		}
		if len(s.problems) > 0 {
			unread++
			problems = append(problems, s.problems...)
		}
	}
	if c.Format == "json" {
		if err := writeJSON(e.stdout, objects); err != nil {
			return err
		}
	}
	if out.err != nil {
		return fmt.Errorf("printing: %w", out.err)
	}
	if unread == 0 {
		return nil
	}
	for _, p := range problems {
		fmt.Fprintf(e.stderr, "  %s\n", p)
	}
	return exit{exitUndecided, fmt.Sprintf("%s of %d could not be checked, or not to the end", plural(unread, "image"), len(references))}
}

// openReading wires everything over the database as it is, without writing to
// it. Where there is none yet, an empty one stands in for it: there are no keys
// and no decisions then.
func openReading(e environment, c *Config) (*app, func(), error) {
	tidy := func() {}
	db, err := store.OpenReading(e.ctx, c.Database)
	if inventory.KindOf(err) == inventory.NotFound {
		fmt.Fprintf(e.stderr, "signboard: %v Without it there are no registered keys and no decisions.\n", err)
		var dir string
		if dir, err = os.MkdirTemp("", "signboard-verify-"); err != nil {
			return nil, nil, fmt.Errorf("making a temporary directory: %w", err)
		}
		tidy = func() { os.RemoveAll(dir) }
		db, err = store.Open(e.ctx, "sqlite:"+filepath.Join(dir, "empty.db"))
	}
	if err != nil {
		tidy()
		return nil, nil, err
	}
	a, err := wire(e.ctx, c, e.log, db, unwritten{db})
	if err != nil {
		tidy()
		return nil, nil, err
	}
	return a, func() { a.close(); tidy() }, nil
}

// sight is what looking at one image came to.
type sight struct {
	image    inventory.Image
	problems []string // what could not be read, a line each
	err      error    // the program's or the database's, never the registry's
}

// look looks at an image now and makes of it what its page would show.
func (a *app) look(ctx context.Context, r reference) sight {
	findings, err := a.syncer.Once(ctx, r.registry.Name, r.repository, r.at)
	if err != nil {
		return sight{err: err}
	}
	now := time.Now().UTC().Truncate(time.Millisecond) // as the inventory keeps times
	self := findings[0]
	s := sight{image: inventory.Image{
		Registry: r.registry.Name, Repository: r.repository, Digest: self.Digest, Tags: self.Tags,
		Kind: self.Kind, MediaType: self.MediaType, Size: self.Size,
		Status: self.Verdict.Status, Reason: self.Verdict.Reason, Message: self.Verdict.Message, CheckedAt: &now,
		Signatures: self.Evidence.Signatures, Attestations: self.Evidence.Attestations, Notes: self.Evidence.Notes,
	}}
	i := &s.image
	for _, t := range a.config.teams {
		if t.Owns(i.FullRepository()) {
			i.Teams = append(i.Teams, t.Name)
		}
	}
	own := map[inventory.Digest]inventory.Status{}
	for n, f := range findings {
		own[f.Digest] = f.Verdict.Status
		unread := f.Failure
		if unread == nil {
			unread = f.Evidence.Incomplete
		}
		if unread == nil {
			continue
		}
		what := r.String()
		if n > 0 {
			what += ", " + f.Digest.Short()
		}
		s.problems = append(s.problems, fmt.Sprintf("%s: %s (%s)", what, inventory.Visible(unread.Message), unread.Reason))
	}
	for _, p := range self.Platforms {
		p.Status = own[p.Digest]
		if p.Status == "" {
			p.Status = inventory.Unknown
		}
		i.Platforms = append(i.Platforms, p.Under(i.Status))
	}
	s.err = a.store.Known(ctx, i, now)
	if i.Digest == "" {
		i.Tags = nil // the tag points at nothing that is known
	}
	return s
}

// writeJSON writes a value in JSON with each character that can't be seen as
// its escape: what a registry says may end up on a terminal.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	var escaped strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '\n', unicode.IsPrint(r):
			escaped.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&escaped, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(w, escaped.String()); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
