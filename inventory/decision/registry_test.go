package decision_test

import (
	"context"
	"testing"
	"time"

	"signboard/inventory"
)

var ada = inventory.Actor{Kind: inventory.UserActor, Name: "Ada", Subject: "idp|ada", Role: inventory.Admin}

func TestSync_isAskedForAndEndedByThoseWhoMay(t *testing.T) {
	d := newDesk(t, 1)
	nudged := 0
	d.Decided = func() { nudged++ }
	err := d.store.ApplyConfig(t.Context(), []inventory.Registry{{
		Name: "local", URL: "https://registry.test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"},
	}}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	due := func() time.Time {
		t.Helper()
		list, err := d.store.Registries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list[0].State.NextDueAt
	}

	before := len(d.entries())
	d.refuse(d.SyncNow(t.Context(), vera, "local"), inventory.Forbidden, "Vera")
	d.refuse(d.CancelSync(t.Context(), vera, "local"), inventory.Forbidden, "Vera")
	for i, e := range d.entries()[:2] {
		if e.Action != "access.refused" || e.Object != "local" || e.Actor.Name != "Vera" {
			t.Errorf("refusal %d is written down as %+v", i, e)
		}
	}
	if len(d.entries()) != before+2 || nudged != 0 {
		t.Errorf("%d entries, %d nudges", len(d.entries())-before, nudged)
	}

	if err := d.SyncNow(t.Context(), dana, "local"); err != nil {
		t.Fatal(err)
	}
	if e := d.entries()[0]; e.Action != "registry.sync" || e.Object != "local" || e.Actor.Name != "Dana" || nudged != 1 || due().After(now) {
		t.Errorf("the entry is %+v, %d nudges, due %s", e, nudged, due())
	}
	if err := d.CancelSync(t.Context(), dana, "local"); err != nil {
		t.Fatal(err)
	}
	if e := d.entries()[0]; e.Action != "registry.cancel" || e.Object != "local" || !due().Equal(now.Add(time.Hour)) {
		t.Errorf("the entry is %+v, due %s", e, due())
	}
	written := len(d.entries())
	d.refuse(d.CancelSync(t.Context(), dana, "local"), inventory.Conflict, "nothing to cancel")
	d.refuse(d.SyncNow(t.Context(), dana, "none"), inventory.NotFound, "none")
	d.refuse(d.CancelSync(t.Context(), dana, "none"), inventory.NotFound, "none")
	if n := len(d.entries()); n != written {
		t.Errorf("what didn't happen is written down: %+v", d.entries()[0])
	}
}

func TestTryRegistry_isForAdministrators(t *testing.T) {
	d := newDesk(t, 1)
	tried := 0
	d.Try = func(context.Context, string) ([]inventory.Step, error) {
		tried++
		return []inventory.Step{{Name: "Answers"}}, nil
	}
	for _, actor := range []inventory.Actor{vera, dana} {
		_, err := d.TryRegistry(t.Context(), actor, "local")
		d.refuse(err, inventory.Forbidden, actor.Name)
	}
	if e := d.entries()[0]; tried != 0 || e.Action != "access.refused" {
		t.Errorf("it was tried %d times; the last entry is %+v", tried, e)
	}
	if steps, err := d.TryRegistry(t.Context(), ada, "local"); err != nil || len(steps) != 1 || tried != 1 {
		t.Errorf("got %v, %v", steps, err)
	}
}
