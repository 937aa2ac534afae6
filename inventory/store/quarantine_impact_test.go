package store

import (
	"slices"
	"testing"

	"signboard/inventory"
)

func TestHoldImpact_saysWhatWouldBeHeldAndLetGo(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "pay/shared", "web")
		w.list("other", "base")
		w.look("local", "pay/api", signed(1, inventory.Trusted, []int{1}, "v1", "latest"), unsigned(2, "v2"))
		w.look("local", "pay/shared", signed(1, inventory.Trusted, []int{1}, "v1"))
		w.look("local", "web", unsigned(1, "copy"))
		w.look("other", "base", index(10, []string{"v1"}, unsigned(1), unsigned(3))...)
		w.quarantine("other", inventory.Quarantine{Repository: "other/base", Tag: "v1"}) // holds the index, and so 1 and 3

		tag := inventory.Quarantine{Repository: "local/pay/api", Tag: "latest"}
		i, err := w.db.HoldImpact(t.Context(), tag, w.now)
		w.must(err)
		if i.Digests != 2 || i.Holds[0].Digest != digest(1) || i.Holds[0].Because != inventory.HeldByTag || i.Holds[1].Digest != digest(10) || i.Holds[1].Why() != "held because its platform linux/amd64 ("+digest(1).Short()+") is" {
			t.Errorf("it would hold %+v", i.Holds)
		}
		if c := i.Counts; c.Images != 4 || c.ByStatus[inventory.Trusted] != 2 || c.ByStatus[inventory.Unsigned] != 2 || c.Quarantined != 4 || i.Free.Images != 0 {
			t.Errorf("in use are %+v, free %+v", i.Counts, i.Free)
		}
		if len(i.Others) != 1 || i.Others[0].ID != "other" {
			t.Errorf("the others are %+v", i.Others)
		}
		if want := []inventory.NamedCount{{Name: "payments", Images: 2}, {Name: "platform", Images: 2}, {Name: inventory.NoTeam, Images: 1}}; !slices.Equal(i.Teams, want) {
			t.Errorf("teams are %+v", i.Teams)
		}
		if want := []inventory.NamedCount{{Name: "local", Images: 3}, {Name: "other", Images: 1}}; !slices.Equal(i.Registries, want) {
			t.Errorf("registries are %+v", i.Registries)
		}
		if i.RepositoryCount != 4 || len(i.Repositories) != 4 || i.Repositories[0] != (inventory.NamedCount{Name: "local/pay/api", Images: 1}) {
			t.Errorf("repositories are %+v", i.Repositories)
		}
		if want := []string{"local/pay/api:latest", "local/pay/api:v1", "local/pay/shared:v1", "local/web:copy", "other/base:v1"}; !slices.Equal(i.Tags, want) || i.TagCount != 5 {
			t.Errorf("tags are %v", i.Tags)
		}
		if len(i.Examples) != 4 || i.Examples[0].Digest != digest(10) {
			t.Errorf("examples are %+v", i.Examples)
		}
		before := i.Seen()
		w.look("local", "web", unsigned(1, "copy"), unsigned(2, "two"))
		if i, err = w.db.HoldImpact(t.Context(), tag, w.now); err != nil || i.Differs(before) != "" {
			t.Errorf("another image makes a difference: %q, %v", i.Differs(before), err)
		}
		w.look("local", "pay/api", signed(1, inventory.Trusted, []int{1}, "v1"), unsigned(2, "v2", "latest"))
		if i, err = w.db.HoldImpact(t.Context(), tag, w.now); err != nil || i.Differs(before) !=
			"When you looked, this was 4 images in use with 2 digests, 2 of them trusted; now it is 2 images in use with 1 digest, 0 of them trusted." {
			t.Errorf("after the tag moved: %q, %v", i.Differs(before), err)
		}

		// What a release lets go, and what stays.
		w.quarantine("mine", inventory.Quarantine{Digest: digest(2)})
		w.quarantine("web", inventory.Quarantine{Repository: "local/web", Tag: "two"})
		q, err := w.db.Quarantine(t.Context(), "mine")
		w.must(err)
		if i, err = w.db.HoldImpact(t.Context(), q, w.now); err != nil || i.Counts.Images != 2 || i.Counts.Quarantined != 2 || i.Free.Images != 0 || len(i.Others) != 1 || i.Others[0].ID != "web" {
			t.Errorf("a release lets go %+v, and %+v stay (%v)", i.Free, i.Others, err)
		}
		w.release("web")
		if i, err = w.db.HoldImpact(t.Context(), q, w.now); err != nil || i.Free.Images != 2 || i.Free.ByStatus[inventory.Unsigned] != 2 || len(i.Others) != 0 {
			t.Errorf("then it lets go %+v (%v)", i.Free, err)
		}

		if i, err = w.db.HoldImpact(t.Context(), inventory.Quarantine{Repository: "local/web", Tag: "never"}, w.now); err != nil || i.Digests != 0 || i.Counts.Images != 0 {
			t.Errorf("of a tag that isn't there: %+v, %v", i, err)
		}
		if _, err = w.db.HoldImpact(t.Context(), inventory.Quarantine{Repository: "nowhere/web", Tag: "v1"}, w.now); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("of a registry that isn't there: %v", err)
		}
		if i, err = w.db.HoldImpact(t.Context(), inventory.Quarantine{Digest: digest(99)}, w.now); err != nil || i.Digests != 1 || i.Counts.Images != 0 {
			t.Errorf("of a digest that isn't there: %+v, %v", i, err)
		}
	})
}
