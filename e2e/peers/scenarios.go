//go:build peers

package peers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// scenario is an image, a question about it, and the answers.
type scenario struct {
	name string
	make func(s *stage) image
	ask  question
	kind family // of the image; docker isn't taken by every registry
	// accepts is what the reference says. The scenario is wrong when it doesn't.
	accepts bool

	// What Signboard says. An answer to the question is a verified signature (or
	// attestation, when a predicate is asked for) whose signer's id begins so.
	signer    func(w *world, i image) string
	format    string
	predicate string
	status    string
	reason    string
	branches  string // of the chain: what vouches for the time

	// stricter is why we refuse what the reference accepts. wider is why the
	// reference can't answer what we can; it is for flaws of the tool alone.
	stricter string
	wider    string
}

// Ids of signers.
func key(name string) func(*world, image) string {
	return func(w *world, _ image) string { return w.keys.ids[name] }
}

func identity(issuer, san string) func(*world, image) string {
	return func(w *world, _ image) string { return "keyless:" + w.sigstore.issuer.url(issuer) + "|" + san }
}

func subject(w *world, _ image) string {
	return "x509:sha256:" + fingerprint(w.notation.known.Raw) + "|"
}

func gun(_ *world, i image) string { return "tuf:" + i.repo() + "|" }

const (
	someone = "dev@example.com"
	other   = "ops@example.com"
)

// Statuses and reasons of the contract.
const (
	verified     = "unapproved" // nobody has approved anybody here
	unsigned     = "unsigned"
	unverifiable = "unverifiable"
	invalid      = "invalid"
)

// Formats of the contract.
const (
	legacy = "cosign-simplesigning"
	bundle = "cosign-bundle"
	jws    = "notation-jws"
	cose   = "notation-cose"
	dct    = "dct"
)

// slsa is the predicate type of provenance.
const slsa = "https://slsa.dev/provenance/v1"

// signed is an image that something is done to.
func signed(do func(s *stage, i image)) func(*stage) image {
	return func(s *stage) image {
		i := s.image()
		do(s, i)
		return i
	}
}

// moved is an image that carries what another image was given, the first layer
// of each altered on the way.
func moved(do func(s *stage, i image), alter func([]byte) []byte) func(*stage) image {
	return func(s *stage) image {
		from, to := s.pushTo(s.repository+"-from", "v1", s.random(oci)), s.image()
		do(s, from)
		s.transplant(from, to, alter)
		return to
	}
}

// altered is an image that carries what it was given itself, altered.
func altered(do func(s *stage, i image), alter func([]byte) []byte) func(*stage) image {
	return func(s *stage) image {
		content := s.random(oci)
		from, to := s.pushTo(s.repository+"-from", "v1", content), s.push("v1", content)
		do(s, from)
		s.transplant(from, to, alter)
		return to
	}
}

// scenarios is every form that images are signed in, and what is done to them
// that shouldn't pass.
func scenarios() []scenario {
	var all []scenario
	all = append(all, keyScenarios()...)
	all = append(all, keylessScenarios()...)
	all = append(all, notationScenarios()...)
	all = append(all, notaryScenarios()...)
	all = append(all, attestationScenarios()...)
	all = append(all, imageScenarios()...)
	all = append(all, attackScenarios()...)
	return all
}

func keyScenarios() []scenario {
	var all []scenario
	for _, c := range []cosign{2, 3} {
		for kind, hash := range map[string]string{"ecdsa-p256": "sha256", "ecdsa-p384": "sha384", "rsa": "sha256"} {
			all = append(all, scenario{
				name: c.name() + "-" + kind, make: signed(func(s *stage, i image) { s.signKey(c, kind, i) }), ask: byHashed(c, hash, kind),
				accepts: true, signer: key(kind), format: map[cosign]string{2: legacy, 3: bundle}[c], status: verified, reason: "signer_not_approved",
			})
		}
	}
	const p256 = "ecdsa-p256"
	return append(all,
		scenario{
			name: "cosign2-oci11", make: signed(func(s *stage, i image) { s.signReferrer(p256, i) }), ask: byReferrer(p256),
			accepts: true, signer: key(p256), format: legacy, status: verified, reason: "signer_not_approved",
		},
		scenario{
			name: "cosign2-two-in-one", make: signed(func(s *stage, i image) { s.signKey(2, "unknown", i); s.signKey(2, p256, i) }), ask: byKey(2, p256),
			accepts: true, signer: key(p256), format: legacy, status: verified, reason: "signer_not_approved",
		},
		scenario{
			name: "cosign2-ed25519", make: signed(func(s *stage, i image) { s.signKey(2, "ed25519", i) }), ask: byKey(2, "ed25519"),
			signer: key("ed25519"), format: legacy, status: verified, reason: "signer_not_approved",
			wider: "cosign signs with Ed25519ph, and its verify command tries plain Ed25519 only: it refuses its own signature",
		},
		scenario{
			name: "attached-ed25519", make: signed(func(s *stage, i image) { s.signOutside("ed25519", i) }), ask: byKey(2, "ed25519"),
			accepts: true, signer: key("ed25519"), format: legacy, status: verified, reason: "signer_not_approved",
		},
		// cosign ignores a .sig once there is a bundle, so only the bundle can be
		// asked for.
		scenario{
			name: "both-schemes", make: signed(func(s *stage, i image) { s.signKey(2, "rsa", i); s.signKey(3, p256, i) }), ask: byKey(3, p256),
			accepts: true, signer: key(p256), format: bundle, status: verified, reason: "signer_not_approved",
		},
		scenario{
			name: "cosign2-logged", make: signed(func(s *stage, i image) { s.signLogged(2, "rekor1", p256, i) }), ask: byLoggedKey(2, p256),
			accepts: true, signer: key(p256), format: legacy, status: verified, reason: "signer_not_approved", branches: "tlog",
		},
		scenario{
			name: "cosign3-logged-rekor1", make: signed(func(s *stage, i image) { s.signLogged(3, "rekor1", p256, i) }), ask: byLoggedKey(3, p256),
			accepts: true, signer: key(p256), format: bundle, status: verified, reason: "signer_not_approved", branches: "tlog",
		},
		scenario{
			name: "cosign3-logged-rekor2", make: signed(func(s *stage, i image) { s.signLogged(3, "rekor2", p256, i) }), ask: byLoggedKey(3, p256),
			accepts: true, signer: key(p256), format: bundle, status: verified, reason: "signer_not_approved", branches: "tlog timestamp",
		},
		scenario{
			name: "cosign2-wrong-key", make: signed(func(s *stage, i image) { s.signKey(2, "unknown", i) }), ask: byKey(2, p256),
			signer: key(p256), format: legacy, status: unverifiable, reason: "key_unknown",
		},
		scenario{
			name: "cosign3-wrong-key", make: signed(func(s *stage, i image) { s.signKey(3, "unknown", i) }), ask: byKey(3, p256),
			signer: key(p256), format: bundle, status: unverifiable, reason: "key_unknown",
		},
		scenario{
			name: "cosign3-wrong-key-logged", make: signed(func(s *stage, i image) { s.signLogged(3, "rekor2", "unknown", i) }), ask: byLoggedKey(3, p256),
			signer: key(p256), format: bundle, status: unverifiable, reason: "key_unknown",
		},
	)
}

func keylessScenarios() []scenario {
	sign := func(c cosign, log, issuer, san string) func(*stage) image {
		return signed(func(s *stage, i image) { s.signKeyless(c, log, s.person(issuer, san), i) })
	}
	ci := func(c cosign, log string) func(*stage) image {
		return signed(func(s *stage, i image) {
			token, err := s.sigstore.issuer.workflow()
			s.must(err)
			s.signKeyless(c, log, token, i)
		})
	}
	return []scenario{
		{name: "cosign2-keyless", make: sign(2, "rekor1", people, someone), ask: byIdentity(2, people, someone),
			accepts: true, signer: identity(people, someone), format: legacy, status: verified, reason: "signer_not_approved", branches: "tlog"},
		{name: "cosign3-keyless-rekor1", make: sign(3, "rekor1", people, someone), ask: byIdentity(3, people, someone),
			accepts: true, signer: identity(people, someone), format: bundle, status: verified, reason: "signer_not_approved", branches: "tlog"},
		{name: "cosign3-keyless-rekor2", make: sign(3, "rekor2", people, someone), ask: byIdentity(3, people, someone),
			accepts: true, signer: identity(people, someone), format: bundle, status: verified, reason: "signer_not_approved", branches: "tlog timestamp"},
		{name: "cosign2-workflow", make: ci(2, "rekor1"), ask: byIdentity(2, workflows, workflow),
			accepts: true, signer: identity(workflows, workflow), format: legacy, status: verified, reason: "signer_not_approved", branches: "tlog"},
		{name: "cosign3-workflow", make: ci(3, "rekor2"), ask: byIdentity(3, workflows, workflow),
			accepts: true, signer: identity(workflows, workflow), format: bundle, status: verified, reason: "signer_not_approved", branches: "tlog timestamp"},
		{name: "cosign2-wrong-identity", make: sign(2, "rekor1", people, other), ask: byIdentity(2, people, someone),
			signer: identity(people, someone), format: legacy, status: verified, reason: "signer_not_approved"},
		{name: "cosign3-wrong-identity", make: sign(3, "rekor2", people, other), ask: byIdentity(3, people, someone),
			signer: identity(people, someone), format: bundle, status: verified, reason: "signer_not_approved"},
		{name: "cosign3-wrong-issuer", make: sign(3, "rekor2", strangers, someone), ask: byIdentity(3, people, someone),
			signer: identity(people, someone), format: bundle, status: verified, reason: "signer_not_approved"},
	}
}

func notationScenarios() []scenario {
	var all []scenario
	for _, format := range []string{"jws", "cose"} {
		ours := map[string]string{"jws": jws, "cose": cose}[format]
		sign := func(key string, more ...string) func(*stage, image) {
			return func(s *stage, i image) { s.signNotation(format, key, i, more...) }
		}
		all = append(all,
			scenario{name: "notation-" + format, make: signed(sign("known")), ask: byNotation,
				accepts: true, signer: subject, format: ours, status: verified, reason: "signer_not_approved"},
			scenario{name: "notation-" + format + "-timestamped", make: signed(func(s *stage, i image) { sign("known", s.timestamped()...)(s, i) }), ask: byTimelyNotation,
				accepts: true, signer: subject, format: ours, status: verified, reason: "signer_not_approved", branches: "timestamp"},
			scenario{name: "notation-" + format + "-expiring", make: signed(sign("known", "--expiry", "24h")), ask: byNotation,
				accepts: true, signer: subject, format: ours, status: verified, reason: "signer_not_approved"},
			scenario{name: "notation-" + format + "-expired", make: signed(func(s *stage, i image) {
				sign("known", "--expiry", "1s")(s, i)
				tick := time.NewTicker(200 * time.Millisecond)
				defer tick.Stop()
				for byNotation(s, i).code == 0 {
					<-tick.C
				}
			}), ask: byNotation, signer: subject, format: ours, status: invalid, reason: "signature_expired"},
			scenario{name: "notation-" + format + "-unknown-root", make: signed(sign("unknown")), ask: byNotation,
				signer: subject, format: ours, status: unverifiable, reason: "root_unknown"},
			scenario{name: "notation-" + format + "-copied", make: moved(sign("known"), nil), ask: byNotation,
				signer: subject, format: ours, status: invalid, reason: "digest_mismatch"},
		)
	}
	return append(all,
		scenario{name: "notation-jws-altered", make: altered(func(s *stage, i image) { s.signNotation("jws", "known", i) }, alterJWS), ask: byNotation,
			signer: subject, format: jws, status: invalid, reason: "signature_mismatch"},
		scenario{name: "notation-cose-altered", make: altered(func(s *stage, i image) { s.signNotation("cose", "known", i) }, alterCOSE), ask: byNotation,
			signer: subject, format: cose, status: invalid, reason: "signature_mismatch"},
	)
}

func notaryScenarios() []scenario {
	return []scenario{
		{name: "dct", make: signed(func(s *stage, i image) { s.signTag(i) }), ask: byNotary,
			accepts: true, signer: gun, format: dct, status: verified, reason: "signer_not_approved"},
		{name: "dct-tag-moved", make: func(s *stage) image {
			s.signTag(s.image())
			return s.image() // the same tag, another image, which nobody signed
		}, ask: byNotary, signer: gun, format: dct, status: unsigned, reason: "no_signature"},
		{name: "dct-signed-again", make: func(s *stage) image {
			s.signTag(s.image())
			i := s.image()
			s.signTag(i)
			return i
		}, ask: byNotary, accepts: true, signer: gun, format: dct, status: verified, reason: "signer_not_approved"},
	}
}

func attestationScenarios() []scenario {
	const p256 = "ecdsa-p256"
	return []scenario{
		{name: "cosign2-att", make: signed(func(s *stage, i image) { s.attest(2, "slsaprovenance1", p256, i) }), ask: byAttester(2, "slsaprovenance1", p256),
			accepts: true, signer: key(p256), predicate: slsa, status: unsigned, reason: "no_signature"},
		{name: "cosign3-slsa", make: signed(func(s *stage, i image) { s.attest(3, "slsaprovenance1", p256, i) }), ask: byAttester(3, "slsaprovenance1", p256),
			accepts: true, signer: key(p256), predicate: slsa, status: unsigned, reason: "no_signature"},
		{name: "cosign3-att-wrong-key", make: signed(func(s *stage, i image) { s.attest(3, "slsaprovenance1", "unknown", i) }), ask: byAttester(3, "slsaprovenance1", p256),
			signer: key(p256), predicate: slsa, status: unsigned, reason: "no_signature"},
		{name: "cosign2-att-is-no-signature", make: signed(func(s *stage, i image) { s.attest(2, "slsaprovenance1", p256, i) }), ask: byKey(2, p256),
			signer: key(p256), format: legacy, status: unsigned, reason: "no_signature"},
		{name: "cosign3-sbom-only", make: signed(func(s *stage, i image) { s.attest(3, "cyclonedx", p256, i) }), ask: byKey(3, p256),
			accepts: true, signer: key(p256), format: bundle, status: unsigned, reason: "no_signature",
			stricter: "cosign 3 takes any bundle by the key for a signature; an SBOM says what is in an image, not that somebody stands behind it"},
		{name: "signed-with-provenance", make: signed(func(s *stage, i image) { s.signKey(3, p256, i); s.attest(3, "slsaprovenance1", p256, i) }), ask: byKey(3, p256),
			accepts: true, signer: key(p256), format: bundle, status: verified, reason: "signer_not_approved"},
	}
}

func imageScenarios() []scenario {
	const p256 = "ecdsa-p256"
	var all []scenario
	for _, kind := range []family{oci, docker} {
		name := string(kind)
		indexed := func(pick func(index, platform image) image, more ...string) func(*stage) image {
			return func(s *stage) image {
				index, platform := s.index(kind)
				s.signKey(2, p256, index, more...)
				return pick(index, platform)
			}
		}
		index := func(index, _ image) image { return index }
		platform := func(_, platform image) image { return platform }
		all = append(all,
			scenario{name: name + "-index", kind: kind, make: indexed(index), ask: byKey(2, p256),
				accepts: true, signer: key(p256), format: legacy, status: verified, reason: "signer_not_approved"},
			scenario{name: name + "-index-platform", kind: kind, make: indexed(platform), ask: byKey(2, p256),
				signer: key(p256), format: legacy, status: unsigned, reason: "no_signature"},
			scenario{name: name + "-recursive-platform", kind: kind, make: indexed(platform, "--recursive"), ask: byKey(2, p256),
				accepts: true, signer: key(p256), format: legacy, status: verified, reason: "signer_not_approved"},
		)
	}
	for _, c := range []cosign{2, 3} {
		all = append(all, scenario{name: "docker-" + c.name(), kind: docker, make: func(s *stage) image {
			i := s.push("v1", s.random(docker))
			s.signKey(c, p256, i)
			return i
		}, ask: byKey(c, p256), accepts: true, signer: key(p256), format: map[cosign]string{2: legacy, 3: bundle}[c], status: verified, reason: "signer_not_approved"})
	}
	return append(all,
		scenario{name: "docker-notation", kind: docker, make: func(s *stage) image {
			i := s.push("v1", s.random(docker))
			s.signNotation("jws", "known", i)
			return i
		}, ask: byNotation, accepts: true, signer: subject, format: jws, status: verified, reason: "signer_not_approved"},
		scenario{name: "unsigned", make: (*stage).image, ask: byKey(3, p256), signer: key(p256), format: bundle, status: unsigned, reason: "no_signature"},
	)
}

func attackScenarios() []scenario {
	const p256 = "ecdsa-p256"
	sign := func(c cosign) func(*stage, image) { return func(s *stage, i image) { s.signKey(c, p256, i) } }
	keyless := func(c cosign, log string) func(*stage, image) {
		return func(s *stage, i image) { s.signKeyless(c, log, s.person(people, someone), i) }
	}
	return []scenario{
		{name: "cosign2-copied", make: moved(sign(2), nil), ask: byKey(2, p256),
			signer: key(p256), format: legacy, status: invalid, reason: "digest_mismatch"},
		{name: "cosign3-copied", make: moved(sign(3), nil), ask: byKey(3, p256),
			signer: key(p256), format: bundle, status: invalid, reason: "digest_mismatch"},
		{name: "cosign2-keyless-copied", make: moved(keyless(2, "rekor1"), nil), ask: byIdentity(2, people, someone),
			signer: identity(people, someone), format: legacy, status: invalid, reason: "digest_mismatch"},
		{name: "cosign3-keyless-copied", make: moved(keyless(3, "rekor2"), nil), ask: byIdentity(3, people, someone),
			signer: identity(people, someone), format: bundle, status: invalid, reason: "digest_mismatch"},
		{name: "cosign2-att-copied", make: moved(func(s *stage, i image) { s.attest(2, "slsaprovenance1", p256, i) }, nil), ask: byAttester(2, "slsaprovenance1", p256),
			signer: key(p256), predicate: slsa, status: unsigned, reason: "no_signature"},
		// The registered key can't tell an altered payload from another key's
		// signature: there is nothing in a .sig that says whose it is.
		{name: "cosign2-altered", make: altered(sign(2), alterPayload), ask: byKey(2, p256),
			signer: key(p256), format: legacy, status: unverifiable, reason: "key_unknown"},
		{name: "cosign3-altered", make: altered(sign(3), alterBundle), ask: byKey(3, p256),
			signer: key(p256), format: bundle, status: invalid, reason: "signature_mismatch"},
		{name: "cosign2-keyless-altered", make: altered(keyless(2, "rekor1"), alterPayload), ask: byIdentity(2, people, someone),
			signer: identity(people, someone), format: legacy, status: invalid, reason: "signature_mismatch"},
		{name: "cosign3-keyless-altered", make: altered(keyless(3, "rekor2"), alterBundle), ask: byIdentity(3, people, someone),
			signer: identity(people, someone), format: bundle, status: invalid, reason: "signature_mismatch"},
	}
}

// alterPayload changes a byte of a simple signing payload that no rule about
// its form minds.
func alterPayload(payload []byte) []byte {
	altered := bytes.Replace(payload, []byte(`"docker-reference":"1`), []byte(`"docker-reference":"2`), 1)
	if bytes.Equal(payload, altered) {
		panic("the payload has no reference to alter: " + string(payload))
	}
	return altered
}

// alterBundle adds something to the signed statement of a bundle.
func alterBundle(raw []byte) []byte {
	var b map[string]any
	if err := json.Unmarshal(raw, &b); err != nil {
		panic(err)
	}
	envelope := b["dsseEnvelope"].(map[string]any)
	statement, err := base64.StdEncoding.DecodeString(envelope["payload"].(string))
	if err != nil {
		panic(err)
	}
	var s map[string]any
	if err := json.Unmarshal(statement, &s); err != nil {
		panic(err)
	}
	s["predicate"] = map[string]any{"approved": true}
	if statement, err = json.Marshal(s); err != nil {
		panic(err)
	}
	envelope["payload"] = base64.StdEncoding.EncodeToString(statement)
	if raw, err = json.Marshal(b); err != nil {
		panic(err)
	}
	return raw
}

// alterJWS adds something to the signed payload of a JWS envelope.
func alterJWS(raw []byte) []byte {
	var b map[string]any
	if err := json.Unmarshal(raw, &b); err != nil {
		panic(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(b["payload"].(string))
	if err != nil {
		panic(err)
	}
	text := strings.TrimSuffix(string(payload), "}") + `,"approved":true}`
	b["payload"] = base64.RawURLEncoding.EncodeToString([]byte(text))
	if raw, err = json.Marshal(b); err != nil {
		panic(err)
	}
	return raw
}

// alterCOSE changes the last byte, which is the signature's.
func alterCOSE(raw []byte) []byte {
	raw = slices.Clone(raw)
	raw[len(raw)-1] ^= 1
	return raw
}
