package store

import (
	"slices"
	"testing"

	"signboard/inventory"
)

// What one process changes, another one that has the names in memory finds.
func TestSearchRepositories_findsWhatChangedSinceTheNamesWereRead(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		other := open(t, dsn)
		check := func(when string, want ...string) {
			t.Helper()
			for _, db := range []*DB{w.db, other} {
				list, err := db.SearchRepositories(t.Context(), "API", 10)
				w.must(err)
				var have []string
				for _, r := range list {
					have = append(have, r.FullName())
				}
				if !slices.Equal(have, want) {
					t.Errorf("%s: found %q, and should %q", when, have, want)
				}
				for range 2 { // the second time from memory
					if found, _, err := db.matchRepositories(t.Context(), db.sql.Reader, "**", []string{"api"}); err != nil || len(found) != len(want) {
						t.Errorf("%s: a pattern selects %v, %v, and should %q", when, found, err, want)
					}
					if found, _, err := db.matchRepositories(t.Context(), db.sql.Reader, "nothing/**", []string{"api"}); err != nil || len(found) != 0 {
						t.Errorf("%s: another pattern selects %v, %v", when, found, err)
					}
				}
			}
			registries, err := w.db.Registries(t.Context())
			w.must(err)
			for _, r := range registries {
				if n := len(want) + 1; r.Name == "local" && r.State.RepositoryCount != n {
					t.Errorf("%s: %d repositories are counted, and there are %d", when, r.State.RepositoryCount, n)
				}
			}
			if drift, err := w.db.Recount(t.Context(), w.db.clock()); err != nil || len(drift) > 0 {
				t.Errorf("%s: drift: %q, %v", when, drift, err)
			}
		}
		w.list("local", "web")
		check("none yet")
		w.list("local", "pay/api", "web", "web/api-docs")
		check("two new", "local/pay/api", "local/web/api-docs")
		w.list("local", "web", "web/api-docs")
		check("one gone", "local/web/api-docs")
		w.list("local", "pay/api", "web", "web/api-docs")
		check("it came back", "local/pay/api", "local/web/api-docs")

		w.look("local", "pay/api", unsigned(1, "v1")) // only what has tags returns with its registry
		w.look("local", "web", unsigned(2, "v1"))
		all := w.registries
		w.registries = all[1:]
		w.configure()
		list, err := other.SearchRepositories(t.Context(), "api", 10)
		w.must(err)
		if len(list) > 0 {
			t.Errorf("repositories of a registry that isn't configured are found: %+v", list)
		}
		w.registries = all
		w.configure()
		check("the registry came back", "local/pay/api")
		if l := w.images(inventory.ImageFilter{Q: "API"}); l.Total != 1 {
			t.Errorf("the list has %d images", l.Total)
		}
	})
}
