//go:build peers

package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// played is a scenario as it was played on a registry.
type played struct {
	scenario
	registry  *registry
	image     image
	reference outcome
}

// TestPeers plays every scenario on every registry, asks the reference tool and
// signboard the same question about each, and holds the answers against each
// other.
func TestPeers(t *testing.T) {
	var (
		mu    sync.Mutex
		stock []played
	)
	t.Run("sign", func(t *testing.T) {
		for _, r := range peers.registries {
			for _, sc := range scenarios() {
				if sc.kind == docker && !r.docker {
					continue
				}
				t.Run(r.name+"/"+sc.name, func(t *testing.T) {
					t.Parallel()
					s := &stage{t, peers, r, "peers/" + sc.name}
					i := sc.make(s)
					o := sc.ask(s, i)
					mu.Lock()
					defer mu.Unlock()
					stock = append(stock, played{sc, r, i, o})
					if accepts := o.code == 0; accepts != sc.accepts {
						t.Errorf("the reference doesn't answer as the scenario says (accepts: %v):\n%s\n%s", sc.accepts, o.command, o.output)
					}
				})
			}
		}
	})
	slices.SortFunc(stock, func(a, b played) int {
		return strings.Compare(a.registry.name+"/"+a.name, b.registry.name+"/"+b.name)
	})

	var repositories []string
	for _, p := range stock {
		if p.registry.name == "olareg" {
			repositories = append(repositories, p.image.repository)
		}
	}
	o := newOperator(t, peers, peers.registries, repositories, peers.trust(peers.registries))
	for _, kind := range kinds {
		o.signboard(0, "key", "add", "--name", kind, peers.keys.public(kind))
	}
	o.signboard(0, "sync", "--progress", "none")
	var refs []string
	for _, p := range stock {
		refs = append(refs, p.image.at())
	}
	views := o.verify(0, refs...)
	rows := [][]string{{"IMAGE", "REGISTRY", "REFERENCE", "SIGNBOARD", "WHY DIFFERENT"}}
	for n, p := range stock {
		v := views[n]
		t.Run(p.registry.name+"/"+p.name, func(t *testing.T) { compare(t, p, v) })
		rows = append(rows, []string{p.name, p.registry.name, says(p.reference.code == 0),
			fmt.Sprintf("%s (%s, %s)", says(v.accepts(p.scenario, p.signer(peers, p.image))), v.Status, v.Reason), p.stricter + p.wider})
	}
	fmt.Print(table(rows))
}

// compare holds signboard's answer against the reference's.
func compare(t *testing.T, p played, v view) {
	signer := p.signer(peers, p.image)
	ours, reference := v.accepts(p.scenario, signer), p.reference.code == 0
	switch {
	case ours && !reference && p.wider == "":
		t.Errorf("signboard accepts what the reference refuses:\n%s\n%s", p.reference.command, p.reference.output)
	case reference && !ours && p.stricter == "":
		t.Errorf("signboard refuses what the reference accepts, and nothing says why: no verified %s by %s", p.format+p.predicate, signer)
	case reference == ours && p.stricter+p.wider != "":
		t.Errorf("the answers no longer differ, though there is a reason why they do: %s", p.stricter+p.wider)
	}
	if s := v.answer(p.scenario, signer); s != nil {
		if !s.leadsTo(p.branches) {
			t.Errorf("the chain is %v, want %s with %q", s.Chain, trunks[s.Signer.Kind], p.branches)
		}
		if !s.timed(p.branches) {
			t.Errorf("the time of signing isn't from %q", p.branches)
		}
		reproduce(t, p, *s)
	}
	if v.Digest != p.image.digest {
		t.Errorf("signboard looked at %s, not at %s", v.Digest, p.image.digest)
	}
	if v.Status != p.status || v.Reason != p.reason {
		t.Errorf("status %s for %s, want %s for %s: %s", v.Status, v.Reason, p.status, p.reason, v.Message)
	}
	if t.Failed() {
		t.Logf("%s: %s", p.image.at(), v)
	}
}

// reproduce runs the command that signboard says repeats the check. The files
// that it names as placeholders are there: keys by their registered names, the
// roots by theirs.
func reproduce(t *testing.T, p played, s signature) {
	t.Helper()
	if s.Format == dct || p.wider != "" {
		return // docker's command isn't among the peers; a tool that can't, can't
	}
	dir, tool := t.TempDir(), cosign(2)
	if s.Format == bundle {
		tool = 3
	}
	for name, file := range map[string]string{
		"private.json": peers.sigstore.root, "cosign": peers.bin[tool.name()], "notation": peers.bin["notation"],
	} {
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range kinds {
		if err := os.Symlink(peers.keys.public(kind), filepath.Join(dir, kind+".pub")); err != nil {
			t.Fatal(err)
		}
	}
	text := "PATH=.:$PATH; " + s.Reproduce
	if strings.Contains(text, "--key") && !strings.Contains(text, "--trusted-root") {
		// There is no way to the public instance, whose root cosign would read
		// without need.
		text += " --trusted-root " + peers.sigstore.nothing
	}
	o, err := run(t.Context(), dir, []string{"XDG_CONFIG_HOME=" + peers.notation.home}, "/bin/sh", "-c", text)
	if err != nil {
		t.Fatal(err)
	}
	if o.code != 0 {
		t.Errorf("the command that should repeat the check ends with %d:\n%s\n%s", o.code, text, o.output)
	}
}

func (v view) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s\n", v.Status, v.Reason, v.Message)
	for _, s := range v.Signatures {
		signer := ""
		if s.Signer != nil {
			signer = s.Signer.ID
		}
		fmt.Fprintf(&b, "  %s %s (%s) by %q: %s\n", s.Format, s.Outcome, s.Reason, signer, s.Message)
		for _, c := range s.Checks {
			fmt.Fprintf(&b, "    %-5s %s: %s\n", c.Result, c.Name, c.Message)
		}
	}
	for _, a := range v.Attestations {
		signer := ""
		if a.Signer != nil {
			signer = a.Signer.ID
		}
		fmt.Fprintf(&b, "  attestation %s %s by %q: %s\n", a.PredicateType, a.Outcome, signer, a.Message)
	}
	return b.String()
}

func says(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// table aligns rows in columns.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for n, cell := range row {
			widths[n] = max(widths[n], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for n, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[n], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
