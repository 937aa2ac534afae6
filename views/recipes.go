package views

import (
	"regexp"
	"strings"

	"signboard/inventory"
)

// recipe is a set of commands that helps with some reasons: one text for each
// tool, in which IMAGE stands for the image by its digest and HOST for its
// registry.
type recipe struct {
	cosign, notation, ci, signboard step
	config                          string // what an operator writes into signboard.yaml first
}

// step is what one tool has to do.
type step struct{ says, text string }

// tab is one tool's commands, filled in.
type tab struct {
	id, tool, says, text, config string
}

// The recipes, tried with the real tools: both major versions of cosign take
// them where nothing else is said.
var (
	verifyRecipe = recipe{
		cosign: step{"Repeat the check. The image's page has the same with the signer filled in.", `# signed with a key
cosign verify --key team.pub \
  IMAGE

# keyless: say whom you expect, and who vouches for them
cosign verify \
  --certificate-identity IDENTITY \
  --certificate-oidc-issuer ISSUER \
  IMAGE`},
		notation:  step{"Check it against your own trust policy.", notationPolicy},
		ci:        step{"Ask before anything is deployed.", gate},
		signboard: step{"What this program says, from the registry, now.", lookNow},
	}

	signRecipe = recipe{
		cosign: step{"Sign with a key, or with the identity you sign in with.", `# with a key
cosign sign --key cosign.key \
  IMAGE

# without a key of your own: it asks you to sign in
cosign sign \
  IMAGE`},
		notation: step{"Sign with a certificate of your company, and a timestamp.", `notation sign --key KEY_NAME \
  --timestamp-url "$TSA_URL" \
  --timestamp-root-cert tsa-root.pem \
  IMAGE

notation list \
  IMAGE`},
		ci:        step{"Sign the digest that was just pushed, never a tag. The pipeline's own identity needs no secret.", signInCI},
		signboard: step{"Look again at once, instead of at the next sync.", lookNow},
	}

	keyRecipe = recipe{
		cosign: step{"The team prints its public key, and sends it by a way you trust.", `# the team
cosign public-key --key cosign.key > team.pub

# either, to see that it is the right one
cosign verify --key team.pub \
  IMAGE`},
		notation: step{"Notation signs with certificates: see which one was used.", `notation inspect \
  IMAGE`},
		ci: step{"The gate fails without the key.", gate},
		signboard: step{"Register the key, then approve its signer. Nothing has to be signed anew.", `signboard key add --config signboard.yaml --name TEAM team.pub

` + lookNow},
	}

	rootRecipe = recipe{
		cosign: step{"See whom the certificate names, and who issued it.", seeCertificate + `

# check it against the root of that instance
cosign verify --trusted-root trusted_root.json \
  --certificate-identity IDENTITY \
  --certificate-oidc-issuer ISSUER \
  IMAGE`},
		notation: step{"See which chain was used; its last certificate is the root.", `notation inspect \
  IMAGE

# add the root that your authority gave you, and check with it
notation cert add --type ca --store acme acme-root.pem
notation verify \
  IMAGE`},
		ci:        step{"The gate has to know the root, too.", gate},
		signboard: step{"Name the root in signboard.yaml and start again; what is known is checked again without asking the registry.", lookNow},
		config:    sigstoreConfig + "\n" + strings.TrimPrefix(notationConfig, "trust:\n"),
	}

	staleRecipe = recipe{
		cosign: step{"Fetch the root with cosign's own client, from the machine that runs Signboard.", `# does it get through?
curl --fail --silent --show-error --head https://tuf-repo-cdn.sigstore.dev/timestamp.json

# the public instance as a file, for a machine that can't reach it: cosign 3
cosign trusted-root create --with-default-services --out trusted_root.json
cosign verify --trusted-root trusted_root.json \
  --certificate-identity IDENTITY \
  --certificate-oidc-issuer ISSUER \
  IMAGE`},
		notation: step{"Notation's roots are files: see until when they are good.", `notation cert list
notation verify \
  IMAGE`},
		ci:        step{"The gate renews its root by itself, where it can.", gate},
		signboard: step{"Where the machine has no way out, give it the root as a file and renew that.", lookNow},
		config: `trust:
  sigstore:
    - name: public-good
      trusted_root: trusted_root.json`,
	}

	mismatchRecipe = recipe{
		cosign: step{"See what is there, check it, and sign again once you know how it came there.", `# what is attached
cosign tree \
  IMAGE

# what it says
cosign verify --key team.pub \
  IMAGE

# once that is clear: remove every signature, and sign anew
# (--type signature for .sig tags, --type referrer for bundles)
cosign clean --type signature \
  IMAGE
cosign sign --key cosign.key \
  IMAGE`},
		notation: step{"See what was signed: the last lines name the artifact.", `notation inspect \
  IMAGE
notation sign --key KEY_NAME \
  IMAGE`},
		ci:        step{"Compare with the digest that your pipeline recorded, and sign that.", signInCI},
		signboard: step{"See every check, now.", lookNow},
	}

	expiryRecipe = recipe{
		cosign: step{"A signature by cosign has no last day of its own.", `cosign sign --key cosign.key \
  IMAGE`},
		notation: step{"Sign again. Without --expiry the signature has no last day.", `notation sign --key KEY_NAME \
  --expiry 8760h \
  --timestamp-url "$TSA_URL" \
  --timestamp-root-cert tsa-root.pem \
  IMAGE`},
		ci:        step{"Sign again in the pipeline; Docker Content Trust signs the tag, and needs to do so before its metadata run out.", signInCI},
		signboard: step{"See until when each signature holds.", lookNow},
	}

	timeRecipe = recipe{
		cosign: step{"Sign with a time that others vouch for.", `# with a log entry, as cosign does by itself
cosign sign \
  IMAGE

` + stampWithCosign},
		notation:  step{"Sign with a timestamp: it proves that the certificate was valid when it signed.", stampWithNotation},
		ci:        step{"A pipeline's identity lives for minutes: the log entry is what makes its signature last.", signInCI},
		signboard: step{"Say whose timestamps count; those of Sigstore are in its trusted root.", lookNow},
		config: `trust:
  notation:
    - name: acme-tsa
      type: tsa
      certificates: tsa-root.pem`,
	}

	logRecipe = recipe{
		cosign: step{"See the entry, and whether it holds for the log that is trusted.", `cosign download signature \
  IMAGE \
  | jq '.verificationMaterial.tlogEntries // .Bundle'

cosign verify \
  --certificate-identity IDENTITY \
  --certificate-oidc-issuer ISSUER \
  IMAGE`},
		notation:  step{"Notation uses no log: sign with it and a timestamp instead, if you can't have one.", stampWithNotation},
		ci:        step{"Sign again: the entry is made while signing.", signInCI},
		signboard: step{"See which logs each root of trust knows on the page Roots of trust, and check again.", lookNow},
	}

	stampRecipe = recipe{
		cosign: step{"See who made the timestamp, and for when.", `# a bundle; for the older form: .RFC3161Timestamp.SignedRFC3161Timestamp
cosign download signature \
  IMAGE \
  | jq -r '.verificationMaterial.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp' \
  | base64 -d > timestamp.tsr
openssl ts -reply -in timestamp.tsr -text

` + stampWithCosign},
		notation: step{"See the countersignature, and sign again with an authority that is known.", `notation inspect \
  IMAGE

` + stampWithNotation},
		ci:        step{"The gate has to know the authority, too.", gate},
		signboard: step{"Name the authority for Notation; for Sigstore it belongs in the trusted root.", lookNow},
		config: `trust:
  notation:
    - name: acme-tsa
      type: tsa
      certificates: tsa-root.pem`,
	}

	certificateRecipe = recipe{
		cosign:    step{"Look at the certificate that came with the signature.", seeCertificate},
		notation:  step{"See the chain, with its dates.", notationChain},
		ci:        step{"Sign again, with a certificate that is fit for it.", signInCI},
		signboard: step{"See every check of the certificate, now.", lookNow},
	}

	revokedRecipe = recipe{
		cosign: step{"A keyless certificate lives for minutes and is not revoked: sign again that way.", `cosign sign \
  IMAGE`},
		notation: step{"Ask the authority yourself, then sign with a new certificate.", `# leaf.pem and issuer.pem from the chain that this shows
notation inspect --output json \
  IMAGE
openssl x509 -in leaf.pem -noout -ocsp_uri
openssl ocsp -issuer issuer.pem -cert leaf.pem -url "$OCSP_URL"

notation sign --key NEW_KEY_NAME \
  IMAGE`},
		ci:        step{"Take the old key out of the pipeline's secrets first.", signInCI},
		signboard: step{"Ask again now, whether it is revoked.", lookNow},
	}

	lookRecipe = recipe{
		cosign: step{"See what is attached to the image.", `cosign tree \
  IMAGE`},
		notation:  step{"List the signatures.", "notation list \\\n  IMAGE"},
		ci:        step{"What can't be read can't be verified: the gate fails.", gate},
		signboard: step{"Look again now; the exit status is 3 while it can't be read.", lookNow},
	}

	registryRecipe = recipe{
		cosign: step{"Try the same from the machine that runs Signboard, with its account.", `cosign login HOST
cosign tree \
  IMAGE`},
		notation: step{"Try the same with Notation.", `notation login HOST
notation list \
  IMAGE`},
		ci: step{"What can't be read can't be verified: the gate fails.", gate},
		signboard: step{"See what the registry answers, then look again.", `curl --silent --show-error --include https://HOST/v2/

` + lookNow},
	}
)

// Commands that several recipes have.
const (
	lookNow = `signboard verify --config signboard.yaml \
  IMAGE`

	gate = `# before anything is deployed: it fails unless the right one signed the image
cosign verify \
  --certificate-identity IDENTITY \
  --certificate-oidc-issuer ISSUER \
  IMAGE

# or, signed with a key
cosign verify --key team.pub \
  IMAGE`

	signInCI = `# GitHub Actions: the workflow's own identity signs
permissions:
  contents: read
  packages: write
  id-token: write
steps:
  - uses: sigstore/cosign-installer@VERSION   # pin it by its commit
  - run: cosign sign --yes IMAGE

# GitLab CI: the same
sign:
  id_tokens:
    SIGSTORE_ID_TOKEN:
      aud: sigstore
  script:
    - cosign sign --yes IMAGE

# anywhere: a key from the pipeline's secret store
cosign sign --yes --key env://COSIGN_PRIVATE_KEY \
  IMAGE`

	seeCertificate = `cosign download signature \
  IMAGE \
  | head -n 1 \
  | jq -r '.verificationMaterial.certificate.rawBytes // .Cert.Raw // empty' \
  | base64 -d \
  | openssl x509 -inform der -noout -text`

	stampWithCosign = `# with your own timestamp authority: cosign 3
cosign signing-config create \
  --tsa="url=$TSA_URL,api-version=1,start-time=2026-01-01T00:00:00Z,operator=acme" \
  --tsa-config=ANY --out signing-config.json
cosign sign --key cosign.key --signing-config signing-config.json \
  IMAGE

# cosign 2
cosign sign --key cosign.key --timestamp-server-url "$TSA_URL" \
  IMAGE`

	stampWithNotation = `notation sign --key KEY_NAME \
  --timestamp-url "$TSA_URL" \
  --timestamp-root-cert tsa-root.pem \
  IMAGE`

	notationChain = `notation inspect \
  IMAGE

# what a certificate may be used for
openssl x509 -in leaf.pem -noout -dates -ext keyUsage,extendedKeyUsage,basicConstraints`

	notationPolicy = `notation cert add --type ca --store acme acme-root.pem
cat > trustpolicy.json <<'END'
{"version": "1.0", "trustPolicies": [{
  "name": "acme", "registryScopes": ["*"],
  "signatureVerification": {"level": "strict"},
  "trustStores": ["ca:acme"], "trustedIdentities": ["*"]}]}
END
notation policy import trustpolicy.json
notation verify \
  IMAGE`
)

// commands are a recipe's commands for one image, by its digest: a tag may
// point elsewhere by the time somebody runs them.
func (r recipe) commands(reference string, d inventory.Digest) []tab {
	fill := filledFor(reference, d)
	var tabs []tab
	for _, t := range []struct {
		id, tool string
		step     step
	}{{"cosign", "cosign", r.cosign}, {"notation", "Notation", r.notation}, {"ci", "CI", r.ci}, {"signboard", "Signboard", r.signboard}} {
		tabs = append(tabs, tab{t.id, t.tool, t.step.says, fill.Replace(t.step.text), ""})
	}
	tabs[len(tabs)-1].config = r.config
	return tabs
}

// signWays are the ways to sign one image, a command each; reference is its
// host/repository.
func signWays(reference string, d inventory.Digest, plainHTTP bool) []tab {
	fill := filledFor(reference, d)
	cosign, notation := " \\\n  IMAGE", " \\\n  IMAGE"
	if plainHTTP {
		cosign, notation = " \\\n  --allow-http-registry"+cosign, " \\\n  --insecure-registry"+notation
	}
	return []tab{
		{id: "key", tool: "cosign, with a key", text: fill.Replace("cosign sign --key cosign.key" + cosign)},
		{id: "keyless", tool: "cosign, without: it asks you to sign in", text: fill.Replace("cosign sign" + cosign)},
		{id: "notation", tool: "Notation", text: fill.Replace("notation sign --key KEY_NAME" + notation)},
	}
}

// filledFor puts an image and its registry into commands.
func filledFor(reference string, d inventory.Digest) *strings.Replacer {
	repository, host := "REGISTRY/NAME", "REGISTRY"
	if safeReference.MatchString(reference) {
		repository = reference
		host, _, _ = strings.Cut(reference, "/")
	}
	image := repository + "@sha256:DIGEST"
	if _, err := inventory.ParseDigest(string(d)); err == nil {
		image = repository + "@" + string(d)
	}
	return strings.NewReplacer("IMAGE", image, "HOST", host)
}

// safeReference is host[:port]/repository as registries allow it (distribution
// specification, "Pulling manifests"); a command to copy holds nothing else.
var safeReference = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
