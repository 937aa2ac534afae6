package store

import (
	"testing"
	"time"

	"signboard/inventory"
)

func TestSighting_saysWhenAnImageWasLookedAt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "web")
		w.look("local", "pay/api", unsigned(1, "v1"))
		s, err := w.db.Sighting(t.Context(), "local/pay/api", digest(1))
		w.must(err)
		if s.ImageID == 0 || s.CheckedAt == nil || !s.CheckedAt.Equal(w.now) {
			t.Errorf("got %+v", s)
		}
		for _, c := range []struct {
			repository string
			digest     inventory.Digest
		}{{"local/web", digest(1)}, {"local/pay/api", digest(2)}, {"other/pay/api", digest(1)}, {"local/pay/api\x00", digest(1)}} {
			if _, err := w.db.Sighting(t.Context(), c.repository, c.digest); inventory.KindOf(err) != inventory.NotFound {
				t.Errorf("%s in %q: %v", c.digest.Short(), c.repository, err)
			}
		}
		w.registries = w.registries[1:]
		w.configure()
		if _, err := w.db.Sighting(t.Context(), "local/pay/api", digest(1)); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("of a registry that was taken out: %v", err)
		}
	})
}

func TestHolding_findsWhatHoldsAnImage(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "web")
		w.look("local", "pay/api", unsigned(1, "v1", "latest"), unsigned(2, "v2"))
		w.look("local", "web", unsigned(1, "v1"))
		soon := w.now.Add(time.Hour)
		w.quarantine("digest", inventory.Quarantine{Digest: digest(2)})
		w.quarantine("unseen", inventory.Quarantine{Digest: digest(9)})
		w.quarantine("tag", inventory.Quarantine{Repository: "local/pay/api", Tag: "v1", ExpiresAt: &soon})
		for _, c := range []struct {
			repository string
			digest     inventory.Digest
			tag        string
			after      time.Duration
			by         string
		}{
			{"local/pay/api", digest(2), "", 0, "digest"},
			{"other/elsewhere", digest(2), "", 0, "digest"}, // wherever the digest is
			{"local/never/synced", digest(9), "", 0, "unseen"},
			{"local/pay/api", digest(1), "latest", 0, "tag"}, // v1 points at it, too
			{"local/pay/api", digest(7), "v1", 0, "tag"},     // moved since, or never synced
			{"local/pay/api", "", "v1", 0, "tag"},            // nobody could find out which
			{"local/web", digest(1), "v1", 0, "tag"},         // the same bytes
			{"local/web", digest(7), "v1", 0, ""},            // another repository's tag
			{"local/pay/api", digest(7), "v3", 0, ""},
			{"local/pay/api", digest(1), "v1", 2 * time.Hour, ""},
		} {
			held, err := w.db.Holding(t.Context(), c.repository, c.digest, c.tag, nil, w.now.Add(c.after))
			w.must(err)
			by := ""
			if held != nil {
				by = held.ID
			}
			if by != c.by {
				t.Errorf("%s@%s:%s is held by %q, want %q", c.repository, c.digest.Short(), c.tag, by, c.by)
			}
		}
	})
}
