package views

import (
	"strconv"

	"signboard/inventory"
	"signboard/views/ui"
)

// rootKind is one section of the configuration under trust.
type rootKind struct {
	key, title, meaning string
	config              string // an example to copy
}

var kindsOfRoots = []rootKind{
	{"sigstore", "Sigstore", "What vouches for keyless signatures: certificate authorities, transparency logs and timestamp authorities that belong together. Each instance is checked by itself; they are never mixed.", sigstoreConfig},
	{"notation", "Notation", "Company certificate authorities that signing certificates may lead to, and authorities for timestamps.", notationConfig},
	{"notary", "Docker Content Trust", "Servers beside a registry that keep its signatures (Notary version 1). Docker Hub's closes on 8 December 2026.", notaryConfig},
}

// What an operator writes into signboard.yaml.
const (
	sigstoreConfig = `trust:
  sigstore:
    # the public instance
    - name: public-good
      tuf: public-good
    # one of your own
    - name: private
      trusted_root: trusted_root.json`
	notationConfig = `trust:
  notation:
    - name: acme
      type: ca
      certificates: acme-root.pem
    # whose timestamps count
    - name: acme-tsa
      type: tsa
      certificates: tsa-root.pem`
	notaryConfig = `trust:
  notary:
    - registry: local
      url: https://notary.example.com
      ca: notary-ca.pem`
)

// namedRoot is a root with the place on the page where it is found.
type namedRoot struct {
	inventory.TrustRoot
	anchor string
}

// rootSection is the roots of one kind.
type rootSection struct {
	rootKind
	roots []namedRoot
}

// rootKindsOf sorts roots by their kind; a kind that isn't known keeps its own
// word.
func rootKindsOf(roots []inventory.TrustRoot) []rootSection {
	var list []rootSection
	for _, k := range kindsOfRoots {
		list = append(list, rootSection{rootKind: k})
	}
	taken := map[string]bool{}
	for _, r := range roots {
		at := 0
		for at < len(list) && list[at].key != r.Kind {
			at++
		}
		if at == len(list) {
			list = append(list, rootSection{rootKind: rootKind{key: r.Kind, title: inventory.Visible(r.Kind)}})
		}
		anchor := rootAnchor(r.Kind, r.Name)
		for n := 2; taken[anchor]; n++ { // a store of each type may have one name
			anchor = rootAnchor(r.Kind, r.Name) + "-" + strconv.Itoa(n)
		}
		taken[anchor] = true
		list[at].roots = append(list[at].roots, namedRoot{r, anchor})
	}
	kept := list[:0]
	for _, s := range list {
		if len(s.roots) > 0 {
			kept = append(kept, s)
		}
	}
	return kept
}

func rootAnchor(kind, name string) string { return ui.Anchor(ui.Anchor("root", kind), name) }

// trustURL is where the root of trust that vouched for a signature is shown.
func trustURL(f inventory.Format, name string) string {
	kind := "sigstore"
	switch f {
	case inventory.FormatNotationJWS, inventory.FormatNotationCOSE:
		kind = "notation"
	case inventory.FormatDCT:
		kind = "notary"
	}
	return "/trust#" + rootAnchor(kind, name)
}

// rootsSentence is the page's answer.
func rootsSentence(roots []inventory.TrustRoot) string {
	old := 0
	for _, r := range roots {
		if r.Stale {
			old++
		}
	}
	switch {
	case len(roots) == 0:
		return "Signatures are checked against registered keys only."
	case old > 0:
		return ui.Number(old) + " of " + ui.Count(len(roots), "root of trust", "roots of trust") + ui.Plural(old, " needs", " need") + " renewing."
	}
	return ui.Count(len(roots), "root of trust, as new as it should be.", "roots of trust, all as new as they should be.")
}

// rootKey is the mark of a root, as a check's result.
func rootKey(r inventory.TrustRoot) string {
	switch {
	case r.Stale && len(r.Facts) == 0:
		return string(inventory.Fail)
	case r.Stale || r.Failure != nil:
		return string(inventory.Errored)
	}
	return string(inventory.Pass)
}

// rootWord says how a root is.
func rootWord(r inventory.TrustRoot) string {
	switch {
	case r.Stale && len(r.Facts) == 0:
		return "Not there"
	case r.Stale:
		return "Too old"
	case r.Failure != nil:
		return "Still good; could not be renewed"
	case r.ObtainedAt == nil:
		return "In use, as configured"
	}
	return "In use"
}

// rootProblem says what a root's state means for signatures.
func rootProblem(r inventory.TrustRoot) string {
	switch {
	case r.Stale && len(r.Facts) == 0:
		return "Signatures that need it can't be checked, and are shown as that: nothing is refused or trusted because of it."
	case r.Stale:
		return "Signatures that it knows the authority and the log of are still checked with it. What it doesn't know may have come since, and is unverifiable until it is renewed."
	case r.Failure != nil:
		return "The copy we have goes on being used, and is renewed when that works again."
	}
	return ""
}

// factGroup is the values of one name.
type factGroup struct {
	name   string
	values []string
}

// grouped puts the values of one name together, in order of the first of each.
func grouped(facts []inventory.Fact) []factGroup {
	var list []factGroup
	at := map[string]int{}
	for _, f := range facts {
		i, ok := at[f.Name]
		if !ok {
			i = len(list)
			at[f.Name] = i
			list = append(list, factGroup{name: f.Name})
		}
		list[i].values = append(list[i].values, f.Value)
	}
	return list
}

// concernsRoots reports whether a reason may be mended at a root of trust.
func concernsRoots(r inventory.Reason) bool {
	switch r {
	case inventory.ReasonRootUnknown, inventory.ReasonTrustRootStale, inventory.ReasonTlogInvalid, inventory.ReasonTlogMissing, inventory.ReasonTimestampInvalid,
		inventory.ReasonCertificateExpired, inventory.ReasonCertificateInvalid:
		return true
	}
	return false
}
