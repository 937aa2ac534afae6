package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is a content digest as the OCI image specification writes it
// ("Digests" in descriptor.md): algorithm, colon, lower-case hex. The zero
// value means there is none.
type Digest string

// ParseDigest accepts sha256 and sha512 digests and nothing else.
func ParseDigest(s string) (Digest, error) {
	algorithm, hexed, ok := strings.Cut(s, ":")
	if !ok {
		return "", Errorf(Invalid, "%q is not a digest: a digest looks like sha256:<64 hexadecimal characters>", clip(s, 80))
	}
	want := 0
	switch algorithm {
	case "sha256":
		want = 64
	case "sha512":
		want = 128
	default:
		return "", Errorf(Invalid, "%q is not a digest: only sha256 and sha512 are supported", clip(s, 80))
	}
	if len(hexed) != want || !isHex(hexed) {
		return "", Errorf(Invalid, "%q is not a digest: %s needs %d lower-case hexadecimal characters", clip(s, 80), algorithm, want)
	}
	return Digest(s), nil
}

// DigestOf is the sha256 digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// Hex is the part after the colon.
func (d Digest) Hex() string { _, h, _ := strings.Cut(string(d), ":"); return h }

// Algorithm is the part before the colon.
func (d Digest) Algorithm() string { a, _, _ := strings.Cut(string(d), ":"); return a }

// Short keeps both ends: sha256:1234abcd…9f8e.
func (d Digest) Short() string {
	h := d.Hex()
	if len(h) <= 16 {
		return string(d)
	}
	return fmt.Sprintf("%s:%s…%s", d.Algorithm(), h[:8], h[len(h)-4:])
}

// TagPrefix is how companion tags of this digest begin: sha256-<hex>. The bare
// prefix is the OCI referrers tag (distribution specification, "Referrers Tag
// Schema"); cosign appends .sig, .att and .sbom.
func (d Digest) TagPrefix() string { return d.Algorithm() + "-" + d.Hex() }

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
