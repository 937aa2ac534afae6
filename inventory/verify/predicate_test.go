package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"signboard/inventory/verify"
)

func TestPredicate_tellsWhatAnAttestationIs(t *testing.T) {
	tests := []struct{ predicateType, predicate, want string }{
		{"https://slsa.dev/provenance/v1", `{"buildDefinition":{"buildType":"https://type.example"},"runDetails":{"builder":{"id":"https://builder.example"}}}`, "[{Builder https://builder.example} {Build type https://type.example}]"},
		{"https://slsa.dev/provenance/v0.2", `{"buildType":"https://type.example","builder":{"id":"b"}}`, "[{Builder b} {Build type https://type.example}]"},
		{"https://slsa.dev/provenance/v1", `{"buildDefinition":"odd","runDetails":{"builder":{"id":"b"}}}`, "[{Builder b}]"},
		{"https://spdx.dev/Document", `{"spdxVersion":"SPDX-2.3","packages":[{},{}]}`, "[{Content SBOM, SPDX 2.3, 2 packages}]"},
		{"https://spdx.dev/Document/v2.3", `"tag: value"`, "[{Content SBOM, SPDX}]"},
		{"https://cyclonedx.org/bom", `{"specVersion":"1.5","components":[{}]}`, "[{Content SBOM, CycloneDX 1.5, 1 component}]"},
		{"https://cyclonedx.org/bom", ``, "[{Content SBOM, CycloneDX}]"},
		{"https://openvex.dev/ns/v0.2.0", `{"author":"team","statements":[{},{},{}]}`, "[{Content VEX, 3 statements} {Author team}]"},
		{"https://cosign.sigstore.dev/attestation/vuln/v1", `{"scanner":{"uri":"pkg:x","version":"1"},"metadata":{"scanFinishedOn":"2026-01-01T00:00:00Z"}}`, "[{Content Vulnerability scan} {Scanner pkg:x 1} {Scanned at 2026-01-01T00:00:00Z}]"},
		{"https://slsa.dev/verification_summary/v1", `{"verifier":{"id":"v"},"verificationResult":"FAILED","verifiedLevels":["FAILED"]}`, "[{Content Verification summary} {Result FAILED} {Verifier v} {Levels FAILED}]"},
		{"https://example.com/own", `{"anything":1}`, "[]"},
		{"https://openvex.dev/ns", `{"author":"a\u202eb\n"}`, "[{Content VEX} {Author a⟨U+202E⟩b⟨U+000A⟩}]"},
		{"https://openvex.dev/ns", `{"author":"` + strings.Repeat("a", 3<<20) + `"}`, "[{Content 3145741 bytes; only up to 2097152 are read}]"},
	}
	for _, test := range tests {
		if got := fmt.Sprint(verify.Predicate(test.predicateType, []byte(test.predicate))); got != test.want {
			t.Errorf("%s: got %s, want %s", test.predicateType, got, test.want)
		}
	}
}
