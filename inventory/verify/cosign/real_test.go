package cosign_test

import (
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// What the real signers made is read through every kind of registry.
func TestInspect_readsWhatTheRealSignersMade(t *testing.T) {
	type found struct {
		format  inventory.Format
		signers string // names, in any order
	}
	tests := []struct {
		fixture      string
		signatures   []found
		attestations int
	}{
		{"legacy-p256", []found{{inventory.FormatSimpleSigning, "p256"}}, 0},
		{"legacy-p384", []found{{inventory.FormatSimpleSigning, "p384"}}, 0},
		{"legacy-p521", []found{{inventory.FormatSimpleSigning, "p521"}}, 0},
		{"legacy-rsa", []found{{inventory.FormatSimpleSigning, "rsa"}}, 0},
		{"legacy-ed25519", []found{{inventory.FormatSimpleSigning, "ed25519"}}, 0},
		{"legacy-three", []found{{inventory.FormatSimpleSigning, "p256"}, {inventory.FormatSimpleSigning, "p256"}, {inventory.FormatSimpleSigning, "rsa"}}, 0},
		{"legacy-oci11", []found{{inventory.FormatSimpleSigning, "p256"}}, 0},
		{"legacy-oci11-fallback", []found{{inventory.FormatSimpleSigning, "p256"}}, 0},
		{"bundle-p256", []found{{inventory.FormatBundle, "p256"}}, 0},
		{"bundle-p384", []found{{inventory.FormatBundle, "p384"}}, 0},
		{"bundle-p521", []found{{inventory.FormatBundle, "p521"}}, 0},
		{"bundle-rsa", []found{{inventory.FormatBundle, "rsa"}}, 0},
		{"bundle-three", []found{{inventory.FormatBundle, "p256"}, {inventory.FormatBundle, "p256"}, {inventory.FormatBundle, "rsa"}}, 0},
		{"bundle-fallback", []found{{inventory.FormatBundle, "p256"}}, 0},
		{"legacy-and-bundle", []found{{inventory.FormatSimpleSigning, "p256"}, {inventory.FormatBundle, "p256"}}, 0},
		{"index", []found{{inventory.FormatSimpleSigning, "p256"}, {inventory.FormatBundle, "p256"}}, 0},
		{"bundle-sbom-only", nil, 1},
		{"legacy-att-only", nil, 1},
		{"legacy-sbom-tag", nil, 0},
		{"unsigned", nil, 0},
	}
	places := map[string]func(t *testing.T, r *verifytest.Repo) verify.Source{
		"memory": func(t *testing.T, r *verifytest.Repo) verify.Source { return r },
		"native": func(t *testing.T, r *verifytest.Repo) verify.Source { return verifytest.Serve(t, r, true) },
		"no referrers API": func(t *testing.T, r *verifytest.Repo) verify.Source {
			r.PutIndex(t)
			return verifytest.Serve(t, r, false)
		},
	}
	ring := keyring(t, registered...)
	for _, test := range tests {
		for place, serve := range places {
			for _, known := range []bool{true, false} {
				t.Run(test.fixture+"/"+place+map[bool]string{true: "/tags known", false: "/tags asked for"}[known], func(t *testing.T) {
					r := fixture(t, test.fixture)
					source := serve(t, r)
					s := r.Subject(t, "v1")
					if !known {
						s.Tags = nil
					}
					e := inspect(t, source, s, ring)
					if e.Incomplete != nil || e.Fingerprint == "" || len(e.Notes) > 0 {
						t.Errorf("incomplete: %v, notes %q", e.Incomplete, e.Notes)
					}
					var got []found
					for _, signature := range e.Signatures {
						expect(t, signature, inventory.OutcomeVerified, inventory.ReasonOK)
						if signature.Signer != nil {
							got = append(got, found{signature.Format, signature.Signer.Name})
						}
					}
					if !sameSet(got, test.signatures) {
						t.Errorf("signatures %v, want %v", got, test.signatures)
					}
					if len(e.Attestations) != test.attestations {
						t.Errorf("attestations %+v, want %d", e.Attestations, test.attestations)
					}
					for _, a := range e.Attestations {
						if a.Outcome != inventory.OutcomeVerified || a.PredicateType != "https://cyclonedx.org/bom" || a.Signer == nil || a.Signer.Name != "p256" {
							t.Errorf("attestation %+v", a)
						}
					}
				})
			}
		}
	}
}

// sameSet compares without order, counting.
func sameSet[T comparable](a, b []T) bool {
	count := map[T]int{}
	for _, v := range a {
		count[v]++
	}
	for _, v := range b {
		count[v]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestInspect_chainRunsFromImageToKey(t *testing.T) {
	for _, name := range []string{"legacy-p256", "bundle-p256"} {
		r := fixture(t, name)
		s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256")))
		var roles []string
		for _, l := range s.Chain {
			roles = append(roles, string(l.Role))
			if l.Fingerprint == "" || l.Name == "" || len(l.Checks) == 0 {
				t.Errorf("%s: link %+v", name, l)
			}
		}
		if got := strings.Join(roles, " "); got != "image statement signature key" {
			t.Errorf("%s: chain %s", name, got)
		}
		if key := s.Chain[3]; "key:"+key.Fingerprint != string(s.Signer.ID) {
			t.Errorf("%s: key link %+v, signer %+v", name, key, s.Signer)
		}
	}
}

func TestInspect_platformImagesOfASignedIndexCarryNoSignature(t *testing.T) {
	r := fixture(t, "index")
	if e := inspect(t, r, r.Subject(t, "amd64"), keyring(t, "p256")); len(e.Signatures) != 0 || e.Incomplete != nil {
		t.Errorf("%+v", e)
	}
}

func TestInspect_fingerprintChangesWithWhatIsAttached(t *testing.T) {
	r := fixture(t, "legacy-and-bundle")
	before := inspect(t, r, r.Subject(t, "v1"), nil).Fingerprint
	delete(r.Tags, r.Tags["v1"].TagPrefix()+".sig")
	if after := inspect(t, r, r.Subject(t, "v1"), nil).Fingerprint; after == before || after == "" {
		t.Errorf("before %q, after %q", before, after)
	}
}
