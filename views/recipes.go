package views

import (
	"regexp"
	"strings"

	"signboard/inventory"
)

// recipe is a set of commands that helps with some reasons.
type recipe int

const (
	verifyRecipe recipe = iota
	signRecipe
	keyRecipe
	rootRecipe
	timeRecipe
	certificateRecipe
	lookRecipe
)

// tab is one tool's commands.
type tab struct {
	id, tool, says, text string
}

// commands are a recipe's commands for one image, by its digest: a tag may
// point elsewhere by the time somebody runs them.
func (r recipe) commands(reference string, d inventory.Digest) []tab {
	image := "REGISTRY/REPOSITORY"
	if safeReference.MatchString(reference) {
		image = reference
	}
	if _, err := inventory.ParseDigest(string(d)); err == nil {
		image += "@" + string(d)
	} else {
		image += "@sha256:DIGEST"
	}
	lines := func(l ...string) string { return strings.ReplaceAll(strings.Join(l, "\n"), "IMAGE", image) }
	gate := lines("# in the pipeline, before anything is deployed; it fails unless the key signed the image",
		"cosign verify --key team.pub \\", "  IMAGE")

	switch r {
	case signRecipe:
		return []tab{
			{"cosign", "cosign", "Sign with a key, or with the identity you sign in with.", lines(
				"cosign sign --key cosign.key \\", "  IMAGE", "", "# or without a key of your own", "cosign sign \\", "  IMAGE")},
			{"notation", "Notation", "Sign with a certificate of your company.", lines(
				"notation sign --key KEY_NAME \\", "  IMAGE", "notation list \\", "  IMAGE")},
			{"ci", "CI", "Sign the digest that was just pushed, never a tag.", lines(
				"# right after the push; the key comes from the pipeline's secret store",
				"cosign sign --yes --key env://COSIGN_PRIVATE_KEY \\", "  IMAGE", "", gate)},
		}
	case keyRecipe:
		return []tab{
			{"cosign", "cosign", "The team prints its public key; an operator registers it.", lines(
				"# the team", "cosign public-key --key cosign.key > team.pub", "",
				"# the operator of Signboard", "signboard key add --config signboard.yaml --name TEAM team.pub", "",
				"# either, to see that it is the right one", "cosign verify --key team.pub \\", "  IMAGE")},
			{"notation", "Notation", "Notation signs with certificates: see which one was used.", lines(
				"notation inspect \\", "  IMAGE")},
			{"ci", "CI", "The gate fails without the key.", gate},
		}
	case rootRecipe:
		return []tab{
			{"cosign", "cosign", "See whom the certificate names, then check it against its root.", lines(
				"cosign download signature \\", "  IMAGE", "",
				"# this version of Signboard doesn't verify against Sigstore roots yet: cosign does",
				"cosign verify --certificate-identity IDENTITY \\", "  --certificate-oidc-issuer ISSUER \\", "  IMAGE")},
			{"notation", "Notation", "See which chain was used, then check it against its anchor.", lines(
				"notation inspect \\", "  IMAGE", "",
				"# this version of Signboard doesn't verify Notation signatures yet: notation does",
				"notation verify \\", "  IMAGE")},
			{"ci", "CI", "The gate fails without the key.", gate},
		}
	case timeRecipe:
		return []tab{
			{"cosign", "cosign", "Sign with a time that others vouch for.", lines(
				"# with a public log entry, as cosign does by itself", "cosign sign \\", "  IMAGE", "",
				"# or with your own timestamp authority",
				"cosign sign --key cosign.key --timestamp-server-url $TSA_URL \\", "  IMAGE")},
			{"notation", "Notation", "Sign with a timestamp.", lines(
				"notation sign --key KEY_NAME \\", "  --timestamp-url $TSA_URL --timestamp-root-cert tsa-root.pem \\", "  IMAGE")},
			{"ci", "CI", "The gate checks it before anything is deployed.", gate},
		}
	case certificateRecipe:
		return []tab{
			{"cosign", "cosign", "Look at the certificate that came with the signature.", lines(
				"cosign download signature \\", "  IMAGE \\",
				"  | jq -r '.Cert.Raw // empty' | base64 -d \\", "  | openssl x509 -inform der -noout -text")},
			{"notation", "Notation", "Notation shows the chain with its dates and uses.", lines(
				"notation inspect \\", "  IMAGE")},
			{"ci", "CI", "The gate checks it before anything is deployed.", gate},
		}
	case lookRecipe:
		return []tab{
			{"cosign", "cosign", "See what is attached to the image.", lines(
				"cosign tree \\", "  IMAGE", "", "# look at its repository again, now",
				"signboard sync --config signboard.yaml --repository REPOSITORY")},
			{"notation", "Notation", "List the signatures.", lines("notation list \\", "  IMAGE")},
			{"ci", "CI", "What can't be read can't be verified: the gate fails.", gate},
		}
	}
	return []tab{
		{"cosign", "cosign", "Check the signature yourself.", lines(
			"cosign verify --key team.pub \\", "  IMAGE", "", "# without a key: say whom you expect",
			"cosign verify --certificate-identity IDENTITY \\", "  --certificate-oidc-issuer ISSUER \\", "  IMAGE")},
		{"notation", "Notation", "Check it against your own trust policy.", lines("notation verify \\", "  IMAGE")},
		{"ci", "CI", "Ask before anything is deployed.", gate},
	}
}

// safeReference is host[:port]/repository as registries allow it (distribution
// specification, "Pulling manifests"); a command to copy holds nothing else.
var safeReference = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
