package syncer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// TestHostile_weakerBesideAnOutage: where the trusted signature was, nothing
// can be read, and elsewhere there is one by an unknown key. That doesn't
// refute what was known: the image is unknown, with its last good result, look
// after look.
func TestHostile_weakerBesideAnOutage(t *testing.T) {
	w := newWorldWith(t, tight)
	w.decide(inventory.Approve, "**", nil)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	d, fresh := w.push("app:v1"), w.push("app:v2")
	w.sign("app", d, d, w.key)
	w.sync()
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	checked := w.clock()

	strange := map[inventory.Digest]inventory.Descriptor{}
	for _, of := range []inventory.Digest{d, fresh} {
		strange[of] = w.refer("app", of, w.signatureLayer("app", of, stranger))
	}
	lists := func(rw http.ResponseWriter, r *http.Request) bool {
		_, of, ok := strings.Cut(r.URL.Path, "/referrers/")
		if ok {
			body(inventory.MediaTypeOCIIndex, indexText(strange[inventory.Digest(of)]))(rw, r)
		}
		return ok
	}
	w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
		return lists(rw, r) || at(".sig", status(http.StatusBadGateway))(rw, r)
	})
	for range 3 {
		w.pass(time.Hour)
		if s := w.bounded(); problem(s, "local/app") != inventory.ReasonRegistryUnreachable {
			t.Errorf("the summary is %+v", s.Failures)
		}
		i := w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryUnreachable)
		if i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(checked) {
			t.Errorf("the last good result is %+v", i.LastGood)
		}
		w.expect("app", fresh, inventory.Unverifiable, inventory.ReasonKeyUnknown)
	}
	w.answer(lists)
	w.pass(time.Hour)
	w.sync()
	i := w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	if len(i.Signatures) != 2 {
		t.Errorf("of two signatures, %d are shown", len(i.Signatures))
	}
	// With everything read, a weaker verdict is a verdict.
	w.remove("app:" + d.TagPrefix() + ".sig")
	w.pass(time.Hour)
	w.sync()
	w.expect("app", d, inventory.Unverifiable, inventory.ReasonKeyUnknown)
}
