package decision_test

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

func TestQuarantine_isBoundToWhatWasSeen(t *testing.T) {
	d := newDesk(t, 1)
	before := len(d.entries())
	r := decision.QuarantineRequest{Digest: inventory.DigestOf([]byte("image")), Reason: "leaks", Seen: "1-3-2"}
	_, err := d.Quarantine(t.Context(), dana, r)
	d.refuse(err, inventory.Conflict, "When you looked, this was 3 images in use with 1 digest, 2 of them trusted; now it is 0 images in use with 1 digest, 0 of them trusted. Nothing was held.")
	if n := len(d.entries()); n != before {
		t.Errorf("%d entries were written", n-before)
	}
	r.Seen = "nonsense"
	_, err = d.Quarantine(t.Context(), dana, r)
	d.refuse(err, inventory.Conflict, "This would hold 0 images in use")
	i, err := d.PreviewQuarantine(t.Context(), vera, r)
	if err != nil {
		t.Fatal(err)
	}
	r.Seen = i.Seen()
	q, err := d.Quarantine(t.Context(), dana, r)
	if err != nil {
		t.Fatal(err)
	}
	if e := d.entries()[0]; !strings.Contains(e.After, `"digests":["`+string(r.Digest)+`"]`) {
		t.Errorf("the entry doesn't say what was held: %s", e.After)
	}
	_, err = d.Quarantine(t.Context(), eric, r)
	d.refuse(err, inventory.Conflict, "Dana already holds exactly this")
	_, released, err := d.PreviewRelease(t.Context(), vera, q.ID)
	if err != nil || released.Digests != 1 {
		t.Errorf("a release lets go %+v, %v", released, err)
	}
}

func TestChangeEnd_extendsAndShortens(t *testing.T) {
	d := newDesk(t, 1)
	at := func(days int) *time.Time { at := now.Add(time.Duration(days) * 24 * time.Hour); return &at }
	q, err := d.Quarantine(t.Context(), dana, decision.QuarantineRequest{Digest: inventory.DigestOf([]byte("image")), Reason: "leaks", ExpiresAt: at(2)})
	if err != nil {
		t.Fatal(err)
	}
	r := decision.EndRequest{ID: q.ID, ExpiresAt: at(5), Seen: at(2), Reason: "not fixed yet"}
	_, err = d.ChangeEnd(t.Context(), vera, r)
	d.refuse(err, inventory.Forbidden, "Vera")
	for name, change := range map[string]func(*decision.EndRequest){
		"no reason": func(r *decision.EndRequest) { r.Reason = " " },
		"the past":  func(r *decision.EndRequest) { r.ExpiresAt = at(-1) },
		"the same":  func(r *decision.EndRequest) { r.ExpiresAt = at(2) },
	} {
		wrong := r
		change(&wrong)
		if _, err := d.ChangeEnd(t.Context(), dana, wrong); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	changed, err := d.ChangeEnd(t.Context(), eric, r)
	if err != nil || !changed.ExpiresAt.Equal(*at(5)) {
		t.Fatalf("%+v, %v", changed, err)
	}
	if e := d.entries()[0]; e.Action != "image.quarantine_end" || e.Reason != "not fixed yet" || e.Object != string(q.Digest) || !strings.Contains(e.Before, at(2).Format(time.RFC3339)) || !strings.Contains(e.After, at(5).Format(time.RFC3339)) {
		t.Errorf("the entry is %+v", e)
	}
	r.ExpiresAt = nil
	_, err = d.ChangeEnd(t.Context(), dana, r) // Eric changed it while she was reading
	d.refuse(err, inventory.Conflict, "Somebody changed this quarantine while you were reading")
	r.Seen = at(5)
	if changed, err = d.ChangeEnd(t.Context(), dana, r); err != nil || changed.ExpiresAt != nil {
		t.Errorf("without an end: %+v, %v", changed, err)
	}
	if err := d.Release(t.Context(), dana, q.ID, "fixed"); err != nil {
		t.Fatal(err)
	}
	r.ExpiresAt, r.Seen = at(9), nil
	_, err = d.ChangeEnd(t.Context(), eric, r)
	d.refuse(err, inventory.Conflict, "This quarantine no longer stands: Dana released it on")
}
