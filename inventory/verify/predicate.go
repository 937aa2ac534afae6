package verify

import (
	"encoding/json"
	"fmt"
	"strings"

	"signboard/inventory"
)

// maxPredicate is how many bytes of a predicate are read for what it says. Of a
// longer one only its type is told.
const maxPredicate = 2 << 20

// More predicate types (in-toto attestation framework, spec/predicates; SLSA; SPDX,
// CycloneDX and OpenVEX by their own addresses; cosign's own for scans).
const (
	predicateSPDX      = "https://spdx.dev/Document"
	predicateCycloneDX = "https://cyclonedx.org/bom"
	predicateVEX       = "https://openvex.dev/ns"
	predicateScan      = "https://cosign.sigstore.dev/attestation/vuln/v1"
	predicateVulns     = "https://in-toto.io/attestation/vulns/"
	predicateVSA       = "https://slsa.dev/verification_summary/v"
	predicateSLSA      = "https://slsa.dev/provenance/v"
)

// Predicate tells what an attestation is and says: of provenance builder, source
// and commit, of other documents what they are. It is its signer's word, and
// without a signature nobody's. The values can be shown as they are.
func Predicate(predicateType string, raw []byte) []inventory.Fact {
	if len(raw) > maxPredicate {
		return []inventory.Fact{{Name: "Content", Value: fmt.Sprintf("%d bytes; only up to %d are read", len(raw), maxPredicate)}}
	}
	var list []inventory.Fact
	add := func(name, value string) {
		if value != "" {
			list = append(list, inventory.Fact{Name: name, Value: shown(value)})
		}
	}
	is := func(prefix string) bool { return strings.HasPrefix(predicateType, prefix) }
	switch {
	case is(predicateSLSA):
		list = Provenance(predicateType, raw)
		var p struct {
			BuildType       string `json:"buildType"`
			BuildDefinition struct {
				BuildType string `json:"buildType"`
			} `json:"buildDefinition"`
		}
		if decode(raw, &p) {
			add("Build type", p.BuildType+p.BuildDefinition.BuildType)
		}
	case is(predicateSPDX):
		var p struct {
			Version  string            `json:"spdxVersion"`
			Packages []json.RawMessage `json:"packages"`
		}
		decode(raw, &p)
		add("Content", join("SBOM", "SPDX "+strings.TrimPrefix(p.Version, "SPDX-"), count(len(p.Packages), "package")))
	case is(predicateCycloneDX):
		var p struct {
			Version    string            `json:"specVersion"`
			Components []json.RawMessage `json:"components"`
		}
		decode(raw, &p)
		add("Content", join("SBOM", "CycloneDX "+p.Version, count(len(p.Components), "component")))
	case is(predicateVEX):
		var p struct {
			Author     string            `json:"author"`
			Statements []json.RawMessage `json:"statements"`
		}
		decode(raw, &p)
		add("Content", join("VEX", count(len(p.Statements), "statement")))
		add("Author", p.Author)
	case is(predicateScan), is(predicateVulns):
		var p struct {
			Scanner struct {
				URI     string `json:"uri"`
				Version string `json:"version"`
			} `json:"scanner"`
			Metadata struct {
				Finished string `json:"scanFinishedOn"`
			} `json:"metadata"`
		}
		decode(raw, &p)
		add("Content", "Vulnerability scan")
		add("Scanner", strings.TrimSpace(p.Scanner.URI+" "+p.Scanner.Version))
		add("Scanned at", p.Metadata.Finished)
	case is(predicateVSA):
		var p struct {
			Verifier struct {
				ID string `json:"id"`
			} `json:"verifier"`
			Result string   `json:"verificationResult"`
			Levels []string `json:"verifiedLevels"`
			Policy struct {
				URI string `json:"uri"`
			} `json:"policy"`
		}
		decode(raw, &p)
		add("Content", "Verification summary")
		add("Result", p.Result)
		add("Verifier", p.Verifier.ID)
		add("Levels", strings.Join(p.Levels[:min(len(p.Levels), 10)], ", "))
		add("Policy", p.Policy.URI)
	}
	return list
}

func count(n int, what string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func join(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}
