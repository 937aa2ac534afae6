package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

func (w *world) oldest(team string, status inventory.Status, p inventory.Page) (list []inventory.Image, next string) {
	w.Helper()
	list, next, err := w.db.OldestImages(w.Context(), team, status, p, w.now)
	w.must(err)
	return list, next
}

func TestOldestImages_areTheTeamsOwnOldestFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "pay/shared", "web")
		var want []inventory.Digest
		for n := range 7 { // one after the other, two repositories of the team in turn
			w.after(time.Hour)
			repository := []string{"pay/api", "pay/shared"}[n%2]
			var all []inventory.ImageFinding
			for m := n % 2; m <= n; m += 2 {
				all = append(all, unsigned(m, fmt.Sprint("v", m)))
			}
			w.look("local", repository, append(all, signed(20+n, inventory.Unapproved, []int{1}, fmt.Sprint("s", n)))...)
			want = append(want, digest(n))
		}
		w.look("local", "web", unsigned(30, "v1"))
		w.quarantine("held", inventory.Quarantine{Digest: digest(3)})

		var got []inventory.Digest
		cursor, pages := "", 0
		for {
			list, next := w.oldest("payments", inventory.Unsigned, inventory.Page{Limit: 3, Cursor: cursor})
			for _, i := range list {
				got = append(got, i.Digest)
				if (i.Quarantine != nil) != (i.Digest == digest(3)) || len(i.Tags) != 1 || !slices.Contains(i.Teams, "payments") {
					t.Errorf("image %s comes as %+v", i.Digest.Short(), i)
				}
			}
			if pages++; next == "" {
				break
			}
			cursor = next
		}
		if !slices.Equal(got, want) || pages != 3 {
			t.Errorf("on %d pages: %v\nwant %v", pages, got, want)
		}
		if list, next := w.oldest("platform", inventory.Unsigned, inventory.Page{}); len(list) != 3 || next != "" {
			t.Errorf("the other team that owns a repository has %d", len(list))
		}
		if list, _ := w.oldest("payments", inventory.Unapproved, inventory.Page{}); len(list) != 2 { // the newest of each repository: others lost their tags
			t.Errorf("%d are unapproved", len(list))
		}
		if list, _ := w.oldest(inventory.NoTeam, inventory.Unsigned, inventory.Page{}); len(list) != 1 || list[0].Repository != "web" || len(list[0].Teams) != 0 {
			t.Errorf("nobody's are %+v", list)
		}
		for _, none := range []string{"nowhere", "", "x' or '1'='1"} {
			if list, _ := w.oldest(none, inventory.Unsigned, inventory.Page{}); len(list) != 0 {
				t.Errorf("team %q has %d", none, len(list))
			}
		}
		if _, _, err := w.db.OldestImages(t.Context(), "payments", inventory.Unsigned, inventory.Page{Cursor: "x"}, w.now); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("a cursor that can't be read: %v", err)
		}
		w.look("local", "web") // its only tag went
		if list, _ := w.oldest(inventory.NoTeam, inventory.Unsigned, inventory.Page{}); len(list) != 0 {
			t.Errorf("an image without a tag is listed: %+v", list)
		}
	})
}

func TestRepositoriesOf_areThoseThatAreListed(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "pay/shared", "web", "zoo")
		w.list("other", "base")
		of := func(team string, most int) []string {
			names, err := w.db.RepositoriesOf(t.Context(), team, most)
			w.must(err)
			return names
		}
		if names := of(inventory.NoTeam, 10); !slices.Equal(names, []string{"local/web", "local/zoo"}) {
			t.Errorf("nobody's are %v", names)
		}
		if names := of("platform", 10); !slices.Equal(names, []string{"local/pay/shared", "other/base"}) {
			t.Errorf("platform's are %v", names)
		}
		if names := of(inventory.NoTeam, 1); len(names) != 1 {
			t.Errorf("one of them is %v", names)
		}
		w.after(time.Hour)
		w.list("local", "pay/api", "zoo")
		if names := of(inventory.NoTeam, 10); !slices.Equal(names, []string{"local/zoo"}) {
			t.Errorf("after one went: %v", names)
		}
	})
}

// What is owned twice counts for both, and each count is what a recount finds,
// while teams come, go and change what they own.
func TestTeamCounts_areExactWhenTeamsShareAndChange(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "pay/shared", "web")
		w.look("local", "pay/api", unsigned(1, "v1"), signed(2, inventory.Trusted, []int{7}, "v2"))
		w.look("local", "pay/shared", unsigned(3, "v1"), failed(4, "v2"))
		w.look("local", "web", signed(5, inventory.Unapproved, []int{8}, "v1"), unsigned(6, "v2"))
		w.quarantine("held", inventory.Quarantine{Digest: digest(3)})
		globs := func(g ...inventory.Glob) []inventory.Glob { return g }
		for _, step := range []struct {
			teams []inventory.Team
			want  string // images, unsigned and held of each team
		}{
			{w.teams, "payments 4/2/1, platform 2/1/1, - 2/1/0"},
			{[]inventory.Team{{Name: "everything", Repositories: globs("**")}, {Name: "payments", Repositories: globs("local/pay/**")}}, "everything 6/3/1, payments 4/2/1"},
			{[]inventory.Team{{Name: "payments", Repositories: globs("local/pay/api", "local/pay/*", "**/api")}, {Name: "a b/ü", Repositories: globs("local/web")}}, "payments 4/2/1, a b/ü 2/1/0"},
			{[]inventory.Team{{Name: "empty", Repositories: globs("nowhere/**")}}, "empty 0/0/0, - 6/3/1"},
			{nil, "- 6/3/1"},
			{w.teams, "payments 4/2/1, platform 2/1/1, - 2/1/0"},
		} {
			w.after(time.Minute)
			rest, err := w.db.BeginConfig(t.Context(), w.registries, step.teams, w.now)
			w.must(err)
			if w.noDrift(); rest != nil {
				w.must(rest(t.Context()))
			}
			w.noDrift()
			teams, err := w.db.TeamCounts(t.Context())
			w.must(err)
			got := ""
			for i, c := range teams {
				if i > 0 {
					got += ", "
				}
				got += fmt.Sprintf("%s %d/%d/%d", c.Team, c.Counts.Images, c.Counts.Of(inventory.Unsigned), c.Counts.Quarantined)
				list := w.images(inventory.ImageFilter{Team: c.Team})
				oldest, _ := w.oldest(c.Team, inventory.Unsigned, inventory.Page{})
				if list.Total != c.Counts.Images || len(list.Images) != c.Counts.Images || len(oldest) != c.Counts.Of(inventory.Unsigned) {
					t.Errorf("%s: counted are %d with %d unsigned, listed %d of %d and %d", c.Team, c.Counts.Images, c.Counts.Of(inventory.Unsigned), len(list.Images), list.Total, len(oldest))
				}
			}
			if got != step.want {
				t.Errorf("teams are %s, want %s", got, step.want)
			}
		}
	})
}
