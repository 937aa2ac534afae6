//go:build peers

package peers

import (
	"slices"
	"testing"
)

// lone is a registry of the test's own, which it may stop and start.
func lone(t *testing.T, kind string) *registry {
	t.Helper()
	r, err := peers.newRegistry(t.TempDir(), kind)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.service.start(t.Context(), peers.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.service.stop)
	return r
}

// TestTrust_thatComesLateNeedsNoRegistry holds that what can't be verified when
// it is found gets its verdict once the key or the root is known, though the
// registry is no longer there to read it from.
func TestTrust_thatComesLateNeedsNoRegistry(t *testing.T) {
	r := lone(t, "zot")
	forms := []struct {
		name, reason string // of not being verifiable
		sign         func(s *stage, i image)
	}{
		{"cosign2", "key_unknown", func(s *stage, i image) { s.signKey(2, "late", i) }},
		{"cosign3", "key_unknown", func(s *stage, i image) { s.signKey(3, "late", i) }},
		{"logged", "key_unknown", func(s *stage, i image) { s.signLogged(3, "rekor2", "late", i) }},
		{"legacy-keyless", "root_unknown", func(s *stage, i image) { s.signKeyless(2, "rekor1", s.person(people, someone), i) }},
		{"keyless", "root_unknown", func(s *stage, i image) { s.signKeyless(3, "rekor2", s.person(people, someone), i) }},
		{"jws", "root_unknown", func(s *stage, i image) { s.signNotation("jws", "known", i) }},
		{"cose", "root_unknown", func(s *stage, i image) { s.signNotation("cose", "known", i, s.timestamped()...) }},
	}
	var refs []string
	for _, f := range forms {
		s := &stage{t, peers, r, "late/" + f.name}
		i := s.image()
		f.sign(s, i)
		refs = append(refs, i.at())
	}

	o := newOperator(t, peers, []*registry{r}, nil, "")
	o.signboard(0, "sync", "--progress", "none")
	for n, v := range o.verify(0, refs...) {
		if v.Status != unverifiable || v.Reason != forms[n].reason {
			t.Errorf("%s, before anything is trusted: %s for %s, want unverifiable for %s", forms[n].name, v.Status, v.Reason, forms[n].reason)
		}
	}

	r.service.stop()
	o.signboard(0, "key", "add", "--name", "late", peers.keys.public("late"))
	o.configure([]*registry{r}, nil, peers.trust(nil))
	o.signboard(3, "sync", "--progress", "none")
	for n, v := range o.verify(3, refs...) {
		if v.Status != "unknown" || v.LastGood == nil || v.LastGood.Status != verified {
			t.Errorf("%s, with the registry gone: %s, last good %+v, want unknown, last good %s", forms[n].name, v.Status, v.LastGood, verified)
		}
	}

	if err := r.service.start(t.Context(), peers.dir); err != nil {
		t.Fatal(err)
	}
	for n, v := range o.verify(0, refs...) {
		if v.Status != verified || !slices.ContainsFunc(v.Signatures, func(s signature) bool { return s.Outcome == "verified" }) {
			t.Errorf("%s, with the registry back: %s", forms[n].name, v)
		}
	}
}
