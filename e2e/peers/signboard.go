//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// operator runs signboard from a folder with a configuration and a database.
type operator struct {
	*testing.T
	dir    string
	path   string
	listen string
}

// newOperator configures signboard for registries, with roots to trust. Keys are
// registered with key add.
func newOperator(t *testing.T, w *world, registries []*registry, repositories []string, trust string) *operator {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{t, t.TempDir(), w.bin["signboard"], local(ports[0])}
	o.configure(registries, repositories, trust)
	return o
}

// configure writes the configuration. Where a registry has no catalogue, the
// repositories are named.
func (o *operator) configure(registries []*registry, repositories []string, trust string) {
	o.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, "listen: %s\nregistries:\n", o.listen)
	for _, r := range registries {
		named := ""
		if !r.catalog {
			named = fmt.Sprintf(", repositories: ['%s']", strings.Join(repositories, "', '"))
		}
		fmt.Fprintf(&config, "  - {name: %s, url: 'http://%s', allow_private: true%s}\n", r.name, r.host, named)
	}
	config.WriteString(trust)
	if err := os.WriteFile(filepath.Join(o.dir, "signboard.yaml"), []byte(config.String()), 0o600); err != nil {
		o.Fatal(err)
	}
}

// trust is every root there is, as the configuration names them, with the notary
// of the registries that have one.
func (w *world) trust(registries []*registry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "trust:\n  sigstore:\n    - {name: private, trusted_root: %q}\n", w.sigstore.root)
	fmt.Fprintf(&b, "  notation:\n    - {name: ca, type: ca, certificates: %q}\n    - {name: tsa, type: tsa, certificates: %q}\n",
		filepath.Join(w.notation.home, "keys", "known-ca.pem"), w.sigstore.file("tsa-root.pem"))
	if len(registries) > 0 {
		b.WriteString("  notary:\n")
	}
	for _, r := range registries {
		fmt.Fprintf(&b, "    - {registry: %s, url: %q, ca: %q}\n", r.name, w.notary.url, w.notary.ca)
	}
	return b.String()
}

// signboard runs the program; the exit status has to be the one that is wanted.
func (o *operator) signboard(want int, args ...string) string {
	o.Helper()
	out, err := run(o.Context(), o.dir, nil, o.path, args...)
	if err != nil {
		o.Fatal(err)
	}
	if out.code != want {
		o.Fatalf("%s ends with %d, not %d:\n%s", out.command, out.code, want, out.output)
	}
	return out.output
}

// view is what signboard says of an image: the part of the contract's Image
// object that the tests ask about.
type view struct {
	Registry, Repository, Digest string
	Status, Reason, Message      string
	LastGood                     *struct{ Status string } `json:"last_good"`
	Signatures                   []signature
	Attestations                 []struct {
		PredicateType    string `json:"predicate_type"`
		Outcome, Message string
		Signer           *struct{ ID string }
	}
}

type signature struct {
	Format, Outcome, Reason, Message, Reproduce string
	SignedAtSource                              *string `json:"signed_at_source"`
	Signer                                      *struct{ ID, Kind string }
	Checks                                      []struct{ Name, Result, Message string }
	Chain                                       []struct{ Role, Name string }
}

// verify looks at images.
func (o *operator) verify(want int, refs ...string) []view {
	o.Helper()
	// Standard output alone is JSON.
	var stdout, stderr bytes.Buffer
	code, err := capture(o.Context(), o.dir, nil, &stdout, &stderr, o.path, append([]string{"verify", "--config", "signboard.yaml", "--format", "json"}, refs...)...)
	if err != nil {
		o.Fatal(err)
	}
	if code != want {
		o.Fatalf("verify ends with %d, not %d:\n%s\n%s", code, want, &stderr, &stdout)
	}
	var views []view
	if err := json.Unmarshal(stdout.Bytes(), &views); err != nil {
		o.Fatalf("verify prints no JSON: %v\n%s", err, &stdout)
	}
	if len(views) != len(refs) {
		o.Fatalf("verify shows %d images of %d", len(views), len(refs))
	}
	return views
}

// accepts answers a scenario's question from what signboard says.
func (v view) accepts(sc scenario, signer string) bool {
	return v.answer(sc, signer) != nil || v.attested(sc, signer)
}

// answer is the verified signature that a scenario asks for, if there is one.
func (v view) answer(sc scenario, signer string) *signature {
	for n, s := range v.Signatures {
		if sc.predicate == "" && s.Outcome == "verified" && s.Format == sc.format && s.Signer != nil && strings.HasPrefix(s.Signer.ID, signer) {
			return &v.Signatures[n]
		}
	}
	return nil
}

// attested reports whether there is the verified attestation that a scenario
// asks for.
func (v view) attested(sc scenario, signer string) bool {
	for _, a := range v.Attestations {
		if sc.predicate != "" && a.Outcome == "verified" && a.PredicateType == sc.predicate && a.Signer != nil && strings.HasPrefix(a.Signer.ID, signer) {
			return true
		}
	}
	return false
}

// trunks are the chains of each kind of signer, from the image to what is
// trusted. A scenario's branches come on top.
var trunks = map[string]string{
	"key":     "image statement signature key",
	"keyless": "image statement signature leaf root",
	"x509":    "image statement signature leaf root",
	"tuf":     "image statement signature key root",
}

// leadsTo reports whether the signature's chain has every link that it should
// have, and no branch that nothing was checked of.
func (s signature) leadsTo(branches string) bool {
	var roles []string
	for _, link := range s.Chain {
		roles = append(roles, link.Role)
	}
	for role := range strings.FieldsSeq(trunks[s.Signer.Kind] + " " + branches) {
		if !slices.Contains(roles, role) {
			return false
		}
	}
	for _, role := range []string{"tlog", "timestamp"} {
		if slices.Contains(roles, role) != strings.Contains(branches, role) {
			return false
		}
	}
	return true
}

// timed reports whether the time of signing comes from who vouches for it.
func (s signature) timed(branches string) bool {
	source := ""
	if s.SignedAtSource != nil {
		source = *s.SignedAtSource
	}
	switch branches {
	case "tlog":
		return source == "tlog"
	case "timestamp", "tlog timestamp": // Rekor v2 gives no time
		return source == "timestamp-authority"
	}
	return source == "" || source == "claimed"
}
