package inventory

import "testing"

func TestSignerID_family(t *testing.T) {
	const issuer = "https://token.example"
	of := func(san string) SignerID { return KeylessID(issuer, san) }
	for id, want := range map[SignerID]SignerID{
		of("https://git.example/org/app/.github/workflows/release.yml@refs/tags/v1"):           of("https://git.example/org/app/.github/workflows/release.yml"),
		of("https://git.example/org/app/.github/workflows/release.yml@refs/tags/@org/app@1.0"): of("https://git.example/org/app/.github/workflows/release.yml"),
		of("https://git.example/org/app/x.yml@refs/heads/main/.github/y.yml@refs/heads/main"):  of("https://git.example/org/app/x.yml@refs/heads/main/.github/y.yml"),
		of("https://git.example/org/app/.github/workflows/release.yml"):                        of("https://git.example/org/app/.github/workflows/release.yml"),
		of("ann@refs/heads/main"):                              of("ann@refs/heads/main"),
		KeyID(DigestOf(nil)):                                   KeyID(DigestOf(nil)),
		X509ID(DigestOf(nil), "CN=https://a@refs/heads/main"):  X509ID(DigestOf(nil), "CN=https://a@refs/heads/main"),
		TUFID("registry.example/https://a@refs/x", "deadbeef"): TUFID("registry.example/https://a@refs/x", "deadbeef"),
	} {
		if got := id.Family(); got != string(want) {
			t.Errorf("%s is of the family %s", id, got)
		}
	}
}

func TestSignerID_authority(t *testing.T) {
	for id, want := range map[SignerID]string{
		KeylessID("https://token.example", "a|b"): "https://token.example",
		X509ID(DigestOf(nil), "CN=a|b"):           string(DigestOf(nil)),
		KeyID(DigestOf(nil)):                      "",
		TUFID("a", "b"):                           "",
	} {
		if got := id.Authority(); got != want {
			t.Errorf("%s is vouched for by %q", id, got)
		}
	}
}
