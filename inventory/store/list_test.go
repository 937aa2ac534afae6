package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// populated is a world with a few hundred images of every kind.
func populated(t *testing.T, dsn string) *world {
	w := newWorld(t, dsn)
	repositories := []string{"pay/api", "pay/shared", "base", "web/shop", "web/API-docs"}
	for _, registry := range []string{"local", "other"} {
		w.list(registry, repositories...)
		for r, repository := range repositories {
			var findings []inventory.ImageFinding
			for n := range 30 {
				id := n*7 + r
				tags := []string{fmt.Sprint("v", n)}
				switch n % 5 {
				case 0:
					findings = append(findings, unsigned(id, tags...))
				case 1:
					findings = append(findings, signed(id, inventory.Trusted, []int{1}, tags...))
				case 2:
					findings = append(findings, signed(id, inventory.Unapproved, []int{2, 3}, tags...))
				case 3:
					findings = append(findings, failed(id, tags...))
				default:
					findings = append(findings, unsigned(id)) // not in use
				}
			}
			w.after(time.Second)
			w.look(registry, repository, findings...)
		}
	}
	w.quarantine("q1", inventory.Quarantine{Digest: digest(7)})
	w.quarantine("q2", inventory.Quarantine{Repository: "local/web/shop", Tag: "v3"})
	return w
}

// pages reads a list to its end.
func (w *world) pages(f inventory.ImageFilter, limit int) (images []inventory.Image, first inventory.ImageList) {
	w.Helper()
	p := inventory.Page{Limit: limit}
	for n := 0; ; n++ {
		l, err := w.db.Images(w.Context(), f, p, w.now)
		w.must(err)
		if n == 0 {
			first = l
		}
		images = append(images, l.Images...)
		if p.Cursor = l.Next; l.Next == "" {
			return images, first
		}
		if n > 1000 {
			w.Fatal("the list has no end")
		}
	}
}

// selects is what a filter means, without any index.
func selects(f inventory.ImageFilter, i inventory.Image) bool {
	has := func(list []string, s string) bool { return slices.Contains(list, s) }
	switch {
	case f.Status == inventory.Quarantined && i.Quarantine == nil,
		f.Status != "" && f.Status != inventory.Quarantined && i.Status != f.Status,
		f.Registry != "" && i.Registry != f.Registry,
		f.Repository != "" && !f.Repository.Match(i.Repository) && !f.Repository.Match(i.FullRepository()),
		f.Team == inventory.NoTeam && len(i.Teams) > 0,
		f.Team != "" && f.Team != inventory.NoTeam && !has(i.Teams, f.Team),
		f.Signer != "" && !slices.ContainsFunc(i.Signers, func(s inventory.Signer) bool { return s.ID == f.Signer }),
		f.Reason != "" && i.Reason != f.Reason,
		f.Tag != "" && !has(i.Tags, f.Tag):
		return false
	}
	if f.Q != "" && !strings.HasPrefix(string(i.Digest), f.Q) {
		for word := range strings.FieldsSeq(strings.ToLower(f.Q)) {
			if !strings.Contains(strings.ToLower(i.FullRepository()), word) {
				return false
			}
		}
	}
	return true
}

func TestImages_everyCombinationOfFilters(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := populated(t, dsn)
		all, first := w.pages(inventory.ImageFilter{}, 50)
		if len(all) != 10*24 || first.Total != len(all) || first.Capped { // 6 of 30 have no tag
			t.Fatalf("there are %d images, and the total is %d", len(all), first.Total)
		}
		if !slices.IsSortedFunc(all, func(a, b inventory.Image) int { return int(max(-1, min(1, b.ID-a.ID))) }) {
			t.Error("the newest don't come first")
		}
		values := [][]func(*inventory.ImageFilter){
			{nil, func(f *inventory.ImageFilter) { f.Status = inventory.Trusted }, func(f *inventory.ImageFilter) { f.Status = inventory.Quarantined }},
			{nil, func(f *inventory.ImageFilter) { f.Registry = "local" }},
			{nil, func(f *inventory.ImageFilter) { f.Repository = "web/*" }, func(f *inventory.ImageFilter) { f.Repository = "local/pay/api" }},
			{nil, func(f *inventory.ImageFilter) { f.Team = "payments" }, func(f *inventory.ImageFilter) { f.Team = inventory.NoTeam }},
			{nil, func(f *inventory.ImageFilter) { f.Signer = keyID(1) }, func(f *inventory.ImageFilter) { f.Signer = keyID(3) }},
			{nil, func(f *inventory.ImageFilter) { f.Reason = inventory.ReasonOK }, func(f *inventory.ImageFilter) { f.Reason = inventory.ReasonNoSignature }},
			{nil, func(f *inventory.ImageFilter) { f.Tag = "v1" }},
			{nil, func(f *inventory.ImageFilter) { f.Q = "api DOC" }, func(f *inventory.ImageFilter) { f.Q = string(digest(7))[:20] }},
		}
		tried, matched := 0, 0
		var try func(f inventory.ImageFilter, depth, set int)
		try = func(f inventory.ImageFilter, depth, set int) {
			if depth == len(values) {
				var want []int64
				for _, i := range all {
					if selects(f, i) {
						want = append(want, i.ID)
					}
				}
				images, first := w.pages(f, 7)
				var have []int64
				for _, i := range images {
					have = append(have, i.ID)
				}
				if !slices.Equal(have, want) {
					t.Errorf("%+v selects %d images, and should %d", f, len(have), len(want))
				}
				if first.Total != len(want) || first.Capped {
					t.Errorf("%+v says a total of %d (capped: %v), and it is %d", f, first.Total, first.Capped, len(want))
				}
				if tried++; len(want) > 0 {
					matched++
				}
				return
			}
			for _, set1 := range values[depth] {
				g := f
				if set1 == nil {
					try(g, depth+1, set)
				} else if set < 3 { // up to three filters at once
					set1(&g)
					try(g, depth+1, set+1)
				}
			}
		}
		try(inventory.ImageFilter{}, 0, 0)
		if tried < 200 || matched < 60 {
			t.Errorf("%d filters were tried, of which %d select anything", tried, matched)
		}
		for _, f := range []inventory.ImageFilter{{Registry: "nowhere"}, {Repository: "no/such"}, {Q: "nothing like it"}, {Team: "nobody"}, {Format: inventory.FormatDCT}} {
			if l := w.images(f); len(l.Images) != 0 || l.Total != 0 || l.Next != "" {
				t.Errorf("%+v selects %+v", f, l)
			}
		}
		if _, err := w.db.Images(t.Context(), inventory.ImageFilter{}, inventory.Page{Cursor: "x"}, w.now); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("a cursor that isn't one: %v", err)
		}
	})
}

func TestImages_lookThroughABoundedNumber(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signboard.db")
	w.list("local", "app")
	var findings []inventory.ImageFinding
	for n := range 1500 {
		if n%2 == 0 {
			findings = append(findings, unsigned(n, fmt.Sprint("t", n)))
		} else {
			findings = append(findings, signed(n, inventory.Trusted, []int{1}, fmt.Sprint("t", n)))
		}
	}
	w.look("local", "app", findings...)
	l := w.images(inventory.ImageFilter{Registry: "local", Team: inventory.NoTeam, Status: inventory.Unsigned})
	if l.Total != 750 || l.Capped || len(l.Images) != 50 {
		t.Errorf("a walk through less than the bound says %d, capped %v", l.Total, l.Capped)
	}
	if l = w.images(inventory.ImageFilter{Registry: "local", Team: inventory.NoTeam}); l.Total != countWalk || !l.Capped || len(l.Images) != 50 {
		t.Errorf("a walk through more than the bound says %d, capped %v", l.Total, l.Capped)
	}
	if f, err := w.db.Facets(t.Context(), w.now); err != nil || len(f.Signer) != 1 || f.Signer[0].Count != 750 || f.Team[0].Label != "no team" || f.Registry[0].Value != "local" {
		t.Errorf("facets are %+v, %v", f, err)
	}
}

// explained runs every statement of a read as an explanation first.
type explained struct {
	database.Querier
	t     *testing.T
	plans *[]string
}

func (e explained) explain(ctx context.Context, query string, args []any) {
	rows, err := e.Querier.QueryContext(ctx, "explain query plan "+query, args...)
	if err != nil {
		e.t.Fatalf("explaining %s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			e.t.Fatal(err)
		}
		*e.plans = append(*e.plans, detail+"\t"+query)
	}
}

func (e explained) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	e.explain(ctx, query, args)
	return e.Querier.QueryContext(ctx, query, args...)
}

func (e explained) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	e.explain(ctx, query, args)
	return e.Querier.QueryRowContext(ctx, query, args...)
}

// No list reads a table of images from end to end or sorts one.
func TestImages_everyPlanUsesAnIndex(t *testing.T) {
	w := populated(t, "sqlite:"+t.TempDir()+"/signboard.db")
	singles := []inventory.ImageFilter{
		{}, {Registry: "local"}, {Repository: "pay/*"}, {Repository: "local/pay/api"}, {Team: "payments"}, {Signer: keyID(1)},
		{Format: inventory.FormatBundle}, {Reason: inventory.ReasonOK}, {Tag: "v1"}, {Q: "pay"}, {Q: "sha256:abcd"},
		{Registry: "local", Team: "payments", Tag: "v1"}, {Signer: keyID(1), Format: inventory.FormatBundle, Repository: "**"},
	}
	large := []string{"images", "i", "image_facets", "f", "tags", "t", "image_signers", "signatures", "verdict_history", "tag_moves", "platforms"}
	for _, f := range singles {
		for _, status := range []inventory.Status{"", inventory.Trusted, inventory.Quarantined} {
			f.Status = status
			var plans []string
			w.must(w.db.sql.Read(t.Context(), func(q database.Querier) error {
				q = explained{q, t, &plans}
				s, err := w.db.selectImages(t.Context(), q, f, w.now)
				if err != nil || s.nothing {
					return err
				}
				sources, err := s.sources(t.Context(), q)
				if err != nil {
					return err
				}
				source := sources[0]
				if _, err := leap(t.Context(), q, append(sources, sources[0]), 1<<62); err != nil {
					return err
				}
				candidates := []int64{1, 2, 3}
				if s.digest != "" {
					_, err = digestRange(t.Context(), q, s.digest, 10)
				} else {
					_, err = source.next(t.Context(), q, 1<<62, 10)
				}
				if err != nil {
					return err
				}
				if _, err := s.filter(t.Context(), q, source, candidates); err != nil {
					return err
				}
				if _, _, err := s.look(t.Context(), q, source, 1<<62, 10); err != nil {
					return err
				}
				if _, _, err := s.count(t.Context(), q, source, 1<<62, 10); err != nil {
					return err
				}
				rows, err := imageRows(t.Context(), q, "id in %s", candidates)
				if err != nil {
					return err
				}
				_, err = w.db.shown(t.Context(), q, rows, w.now)
				return err
			}))
			for _, plan := range plans {
				step, query, _ := strings.Cut(plan, "\t")
				what, rest, _ := strings.Cut(step, " ")
				table, how, _ := strings.Cut(rest, " ")
				scansIndexInOrder := strings.Contains(how, "INDEX images_listed") || strings.Contains(how, "INDEX images_held")
				if what == "SCAN" && slices.Contains(large, table) && !scansIndexInOrder {
					t.Errorf("%+v: %s\n%s", f, step, query)
				}
				if strings.Contains(query, "from images where listed and quarantine_id is not null") && table == "images" && !strings.Contains(how, "INDEX images_held") {
					t.Errorf("%+v: what is held isn't read from its index: %s\n%s", f, step, query)
				}
				if strings.Contains(step, "TEMP B-TREE") && (strings.Contains(query, "from images") || strings.Contains(query, "from image_facets")) {
					t.Errorf("%+v: %s\n%s", f, step, query)
				}
			}
			if len(plans) == 0 {
				t.Errorf("%+v: nothing was explained", f)
			}
		}
	}
}

// Every page asks for it.
func TestFreshen_readsOnlyWhatTimeHasOvertaken(t *testing.T) {
	w := populated(t, "sqlite:"+t.TempDir()+"/signboard.db")
	var plans []string
	explained{w.db.sql.Reader, t, &plans}.explain(t.Context(), overtaken, []any{ms(w.now)})
	if len(plans) == 0 {
		t.Error("nothing was explained")
	}
	for _, plan := range plans {
		if strings.HasPrefix(plan, "SCAN") {
			t.Error(plan)
		}
	}
}

func TestSigners_mostWaitingFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		var findings []inventory.ImageFinding
		for n := range 12 {
			findings = append(findings, signed(n, inventory.Unapproved, []int{n % 3, 10 + n}, fmt.Sprint("v", n)))
		}
		w.look("local", "app", findings...)
		w.decide(11, inventory.Reject, nil)
		var listed []inventory.Signer
		for p := (inventory.Page{Limit: 2}); ; {
			page, next, err := w.db.Signers(t.Context(), inventory.SignerFilter{Standing: inventory.Pending, Kind: inventory.KeySigner}, p, w.now)
			w.must(err)
			listed = append(listed, page...)
			if p.Cursor = next; next == "" {
				break
			}
		}
		if len(listed) != 14 || listed[0].Waiting != 4 || listed[13].Waiting != 1 {
			t.Fatalf("%d signers are listed: %+v", len(listed), listed)
		}
		seen := map[inventory.SignerID]bool{}
		for i, s := range listed {
			if seen[s.ID] || s.Standing != inventory.Pending {
				t.Errorf("%s is listed twice, or is %s", s.ID, s.Standing)
			}
			if seen[s.ID] = true; i > 0 && listed[i-1].Waiting < s.Waiting {
				t.Errorf("%s comes after one with fewer waiting", s.ID)
			}
		}
		rejected, _, err := w.db.Signers(t.Context(), inventory.SignerFilter{Standing: inventory.Rejected}, inventory.Page{}, w.now)
		w.must(err)
		if len(rejected) != 1 || rejected[0].ID != keyID(11) {
			t.Errorf("rejected are %+v", rejected)
		}
		if found, err := w.db.SearchSigners(t.Context(), "KEY 11", 5); err != nil || len(found) != 1 || found[0].Standing != inventory.Rejected {
			t.Errorf("found are %+v, %v", found, err)
		}
	})
}

func TestSearch_findsRepositoriesTeamsAndDigests(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := populated(t, dsn)
		if r, err := w.db.SearchRepositories(t.Context(), "api LOCAL", 8); err != nil || len(r) != 2 || r[0].Registry != "local" {
			t.Errorf("repositories: %+v, %v", r, err)
		}
		if i, err := w.db.SearchImages(t.Context(), digest(7).Hex()[:8], 8); err != nil || len(i) == 0 || i[0].Digest != digest(7) {
			t.Errorf("images: %+v, %v", i, err)
		}
		if teams, err := w.db.SignerTeams(t.Context(), keyID(1)); err != nil || !slices.Equal(teams, []string{"payments", "platform"}) {
			t.Errorf("teams: %v, %v", teams, err)
		}
		if i, err := w.db.FindImages(t.Context(), digest(7)); err != nil || len(i) != 2 || i[0].Registry == i[1].Registry {
			t.Errorf("the digest is in %+v, %v", i, err)
		}
		if i := w.image("local", "pay/api", digest(7)); len(i.Elsewhere) != 1 || i.Elsewhere[0].Registry != "other" {
			t.Errorf("elsewhere: %+v", i.Elsewhere)
		}
	})
}
