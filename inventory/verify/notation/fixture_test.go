package notation_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
	"signboard/inventory/verify/verifytest"
)

func fixture(tb testing.TB, name string) (*verifytest.Repo, inventory.Subject) {
	tb.Helper()
	r := verifytest.Load(tb, filepath.Join("testdata", name))
	return r, r.Subject(tb, "v1")
}

// stores are those of the fixtures, without the root that nobody knows.
func stores(tb testing.TB, names ...string) []notation.Store {
	tb.Helper()
	var list []notation.Store
	for _, name := range names {
		kind := notation.TypeCA
		if name == "tsa" {
			kind = notation.TypeTSA
		}
		text, err := os.ReadFile(filepath.Join("testdata", "stores", name+".pem"))
		must(tb, err)
		s, err := notation.ParseStore(name, kind, text)
		must(tb, err)
		list = append(list, s)
	}
	return list
}

// envelopes are the layers of an image's signatures.
func envelopes(tb testing.TB, r *verifytest.Repo, s inventory.Subject) []inventory.Descriptor {
	tb.Helper()
	refs, _, err := r.Referrers(tb.Context(), "", s.Manifest.Digest)
	must(tb, err)
	var list []inventory.Descriptor
	for _, ref := range refs {
		m, err := r.Manifest(tb.Context(), "", string(ref.Digest))
		must(tb, err)
		list = append(list, m.Layers...)
	}
	return list
}

// wait is how long after signing everything that was made to run out soon had.
const wait = 2 * time.Minute

// soon is when to look at a fixture, whatever the machine's clock says.
func soon(tb testing.TB, r *verifytest.Repo, s inventory.Subject) time.Time {
	tb.Helper()
	e := inspect(tb, notation.New(nil, nil), r, s, time.Time{})
	if len(e.Signatures) == 0 || e.Signatures[0].SignedAt == nil {
		tb.Fatalf("nobody says when it was signed: %+v", e)
	}
	return e.Signatures[0].SignedAt.Add(wait)
}

// What the real signer makes comes to what it should, in both envelopes, and to
// what notation-go's own verifier says of it.
func TestReal_signaturesOfNotation(t *testing.T) {
	known := []string{"ec-root", "rsa-root", "self", "tsa"}
	for name, want := range map[string]struct {
		outcome inventory.Outcome
		reason  inventory.Reason
		domain  string
		source  inventory.SignedAtSource
	}{
		"ec":            {verified, inventory.ReasonOK, "ec-root", inventory.SignedAtClaimed},
		"rsa":           {verified, inventory.ReasonOK, "rsa-root", inventory.SignedAtClaimed},
		"sub":           {verified, inventory.ReasonOK, "ec-root", inventory.SignedAtClaimed},
		"self":          {verified, inventory.ReasonOK, "self", inventory.SignedAtClaimed},
		"stamped":       {verified, inventory.ReasonOK, "ec-root", inventory.SignedAtAuthority},
		"late":          {verified, inventory.ReasonOK, "ec-root", inventory.SignedAtClaimed},
		"short-stamped": {verified, inventory.ReasonOK, "ec-root", inventory.SignedAtAuthority},
		"strange":       {unverifiable, inventory.ReasonRootUnknown, "", inventory.SignedAtClaimed},
		"expiry":        {invalid, inventory.ReasonSignatureExpired, "ec-root", inventory.SignedAtClaimed},
		"short":         {invalid, inventory.ReasonCertificateExpired, "ec-root", inventory.SignedAtClaimed},
	} {
		for form, format := range map[string]inventory.Format{"jws": inventory.FormatNotationJWS, "cose": inventory.FormatNotationCOSE} {
			t.Run(form+"-"+name, func(t *testing.T) {
				r, s := fixture(t, form+"-"+name)
				trusted := stores(t, known...)
				signature := only(t, inspect(t, notation.New(trusted, nil), r, s, soon(t, r, s)))
				expect(t, signature, want.outcome, want.reason)
				if signature.Format != format || signature.Domain != want.domain || signature.SignedAtSource != want.source || signature.SignedAt == nil {
					t.Errorf("%+v", signature)
				}
				if n := len(envelopes(t, r, s)); n != 1 {
					t.Fatalf("%d envelopes", n)
				}
				layer := envelopes(t, r, s)[0]
				if time.Now().Before(soon(t, r, s)) {
					t.Skip("the fixtures are from the future, and notation-go goes by the machine's clock")
				}
				agree(t, signature, refuses(t, trusted, nil, layer.MediaType, r.Blobs[layer.Digest], s.Manifest), "")
			})
		}
	}
}

func TestReal_chainRunsFromImageToRoot(t *testing.T) {
	r, s := fixture(t, "jws-sub")
	signature := only(t, inspect(t, notation.New(stores(t, "ec-root"), nil), r, s, soon(t, r, s)))
	var roles []string
	for _, l := range signature.Chain {
		roles = append(roles, string(l.Role))
	}
	if got := strings.Join(roles, " "); got != "image statement signature leaf intermediate root" {
		t.Errorf("the chain is %s", got)
	}
	root, leaf := signature.Chain[5], signature.Chain[3]
	if root.Name != "Acme ec-root" || !slices.Contains(root.Checks, verify.CheckTrustAnchor) || leaf.Name != "build-sub" || leaf.NotAfter == nil {
		t.Errorf("leaf %+v\nroot %+v", leaf, root)
	}
	if want := inventory.X509ID(inventory.Digest(root.Fingerprint), "CN=build-sub,O=Acme,C=XX"); signature.Signer.ID != want || signature.Signer.Kind != inventory.X509Signer {
		t.Errorf("signer %+v, want the id %s", signature.Signer, want)
	}
	for _, name := range []string{"Subject", "Issuer", "Serial", "Valid", "Algorithm", "Trust anchor", "Trust anchor's fingerprint", "Trust store", "Scheme"} {
		if !slices.ContainsFunc(signature.Signer.Facts, func(f inventory.Fact) bool { return f.Name == name && f.Value != "" }) {
			t.Errorf("the signer has no fact %s: %+v", name, signature.Signer.Facts)
		}
	}
}

// An intermediate in a store is an anchor, too, and the nearest one counts: who
// relies on a part of an authority relies on no more than that.
func TestReal_nearestAnchorCounts(t *testing.T) {
	r, s := fixture(t, "cose-sub")
	whole := only(t, inspect(t, notation.New(stores(t, "ec-root"), nil), r, s, soon(t, r, s)))
	layer := envelopes(t, r, s)[0]
	sub := store(t, notation.TypeCA, "sub", chainOf(t, cose, r.Blobs[layer.Digest])[1])
	part := only(t, inspect(t, notation.New(append(stores(t, "ec-root"), sub), nil), r, s, soon(t, r, s)))
	expect(t, part, verified, inventory.ReasonOK)
	if part.Domain != "sub" || part.Signer.ID == whole.Signer.ID || len(part.Chain) != 6 {
		t.Errorf("%+v", part)
	}
}

func TestReal_unknownRootIsShownAllTheSame(t *testing.T) {
	r, s := fixture(t, "jws-strange")
	signature := only(t, inspect(t, notation.New(stores(t, "ec-root"), nil), r, s, soon(t, r, s)))
	expect(t, signature, unverifiable, inventory.ReasonRootUnknown)
	if signature.Signer != nil || len(signature.Chain) != 5 || !strings.Contains(signature.Message, "CN=build-strange,O=Acme,C=XX") {
		t.Errorf("%+v", signature)
	}
	if got := check(signature, verify.CheckSignature); got.Result != inventory.Pass {
		t.Errorf("the signature itself: %+v", got)
	}
}

// A root that becomes known later makes a verdict without the registry.
func TestReal_isCheckedAgainWhenItsRootBecomesKnown(t *testing.T) {
	r, s := fixture(t, "cose-stamped")
	before := verify.NewInspector(r, func() *verify.Keyring { return nil }, notation.New(nil, nil))
	e := before.Verify(t.Context(), s, before.Discover(t.Context(), s))
	expect(t, only(t, e), unverifiable, inventory.ReasonRootUnknown)
	after := verify.NewInspector(nil, func() *verify.Keyring { return nil }, notation.New(stores(t, "ec-root", "tsa"), nil))
	after.Now = func() time.Time { return soon(t, r, s) }
	if before.TrustRevision() == after.TrustRevision() {
		t.Error("the trust revision is the same")
	}
	e, ok := after.Reverify(t.Context(), s, e.Material)
	if !ok {
		t.Fatal("the material doesn't suffice")
	}
	expect(t, only(t, e), verified, inventory.ReasonOK)
}

func TestReal_twoSignersOfOneImage(t *testing.T) {
	r, s := fixture(t, "both")
	e := inspect(t, notation.New(stores(t, "ec-root", "rsa-root"), nil), r, s, soon(t, r, s))
	if len(e.Signatures) != 2 || e.Signatures[0].Signer.ID == e.Signatures[1].Signer.ID {
		t.Fatalf("%+v", e)
	}
	for _, signature := range e.Signatures {
		expect(t, signature, verified, inventory.ReasonOK)
	}
}

func TestReal_showsWhatTheSignerAdded(t *testing.T) {
	r, s := fixture(t, "said")
	signature := only(t, inspect(t, notation.New(stores(t, "ec-root"), nil), r, s, soon(t, r, s)))
	if got := signature.Chain[1].Facts; len(got) != 2 || got[0] != (inventory.Fact{Name: "build", Value: "42"}) {
		t.Errorf("%+v", got)
	}
}

// What runs out is told in advance, and the earlier of the two counts.
func TestReal_tellsWhenItStopsToHold(t *testing.T) {
	trusted := stores(t, "ec-root", "tsa")
	for name, want := range map[string]inventory.Reason{
		"jws-ec": inventory.ReasonCertificateExpired, "jws-late": inventory.ReasonCertificateExpired,
		"jws-expiry": inventory.ReasonSignatureExpired, "cose-short": inventory.ReasonCertificateExpired,
	} {
		t.Run(name, func(t *testing.T) {
			r, s := fixture(t, name)
			now := soon(t, r, s).Add(-wait) // it was good then
			signature := only(t, inspect(t, notation.New(trusted, nil), r, s, now))
			expect(t, signature, verified, inventory.ReasonOK)
			if signature.Expires == nil || signature.Expires.Reason != want || !signature.Expires.At.After(now) || signature.Expires.Message == "" {
				t.Fatalf("%+v", signature.Expires)
			}
			late := only(t, inspect(t, notation.New(trusted, nil), r, s, signature.Expires.At.Add(time.Second)))
			expect(t, late, invalid, want)
			if late.Message != signature.Expires.Message {
				t.Errorf("announced %q, came to %q", signature.Expires.Message, late.Message)
			}
		})
	}
	r, s := fixture(t, "cose-short-stamped") // the time is proven: nothing runs out
	if signature := only(t, inspect(t, notation.New(trusted, nil), r, s, soon(t, r, s))); signature.Expires != nil || signature.RecheckAt != nil {
		t.Errorf("%+v", signature)
	}
}

func TestReal_throughARegistry(t *testing.T) {
	for _, native := range []bool{true, false} {
		r, s := fixture(t, "cose-rsa")
		if !native {
			r.PutIndex(t)
			s = r.Subject(t, "v1")
		}
		e := inspect(t, notation.New(stores(t, "rsa-root"), nil), verifytest.Serve(t, r, native), s, time.Time{})
		expect(t, only(t, e), verified, inventory.ReasonOK)
	}
}
