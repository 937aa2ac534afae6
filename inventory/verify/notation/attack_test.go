package notation_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/signature"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
)

// An envelope that something is wrong with, and what it comes to. stricter says
// why, where notation-go accepts it.
type attack struct {
	name     string
	media    string // default: JWS
	envelope func(inventory.Descriptor) []byte
	outcome  inventory.Outcome
	reason   inventory.Reason
	stricter string
}

// mount carries out attacks against a checker that trusts the stores.
func mount(t *testing.T, trusted []notation.Store, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			media := a.media
			if media == "" {
				media = jws
			}
			r, s := subject(t)
			raw := a.envelope(s.Manifest)
			attach(t, r, s, media, raw)
			signature := only(t, inspect(t, notation.New(trusted, nil), r, s, time.Time{}))
			expect(t, signature, a.outcome, a.reason)
			agree(t, signature, refuses(t, trusted, nil, media, raw, s.Manifest), a.stricter)
		})
	}
}

func TestCheck_acceptsWhatIsInOrder(t *testing.T) {
	root := authority(t, "Root", nil)
	sub := authority(t, "Sub", &root)
	leaf, plain := signer(t, "build", &sub), signer(t, "plain", &root, func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	alone := signer(t, "alone", nil)
	trusted := []notation.Store{store(t, "ca", "acme", root.root()), store(t, "ca", "alone", alone.root())}
	var attacks []attack
	for _, media := range []string{jws, cose} {
		for name, h := range map[string]holder{"intermediate": leaf, "no extended use": plain, "signed by itself": alone} {
			attacks = append(attacks, attack{name: media + " " + name, media: media, outcome: verified, reason: inventory.ReasonOK,
				envelope: func(d inventory.Descriptor) []byte { return sign(t, media, h, payload(d)) }})
		}
	}
	attacks = append(attacks, attack{name: "by hand", outcome: verified, reason: inventory.ReasonOK,
		envelope: func(d inventory.Descriptor) []byte { return forge(t, leaf, payload(d), nil) }})
	mount(t, trusted, attacks)
}

// The payload has to be about this image, in all three of its words.
func TestCheck_payloadOfAnotherImageIsRefused(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	other := func(f func(*inventory.Descriptor)) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte {
			f(&d)
			return sign(t, jws, leaf, payload(d))
		}
	}
	mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, []attack{
		{name: "digest", envelope: other(func(d *inventory.Descriptor) { d.Digest = inventory.DigestOf([]byte("other")) }), outcome: invalid, reason: inventory.ReasonDigestMismatch},
		{name: "size", envelope: other(func(d *inventory.Descriptor) { d.Size++ }), outcome: invalid, reason: inventory.ReasonDigestMismatch},
		{name: "media type", envelope: other(func(d *inventory.Descriptor) { d.MediaType = inventory.MediaTypeOCIIndex }), outcome: invalid, reason: inventory.ReasonDigestMismatch},
		{name: "none", envelope: func(inventory.Descriptor) []byte { return sign(t, jws, leaf, []byte(`{"a":1}`)) }, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "empty", envelope: func(inventory.Descriptor) []byte { return sign(t, jws, leaf, []byte(`{"targetArtifact":{}}`)) }, outcome: invalid, reason: inventory.ReasonDigestMismatch},
		{name: "hostile digest", envelope: other(func(d *inventory.Descriptor) {
			d.Digest = inventory.Digest("sha256:" + strings.Repeat("\u202e<b>", 5000))
		}), outcome: invalid, reason: inventory.ReasonDigestMismatch},
	})
}

// What is read one way here and another way there is refused.
func TestCheck_ambiguousJSONIsRefused(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	good := func(d inventory.Descriptor) []byte { return forge(t, leaf, payload(d), nil) }
	const lenient = "encoding/json lets it pass"
	twice := func(raw []byte, key, value string) []byte {
		return bytes.Replace(raw, []byte("{"), []byte(fmt.Sprintf("{%q:%s,", key, value)), 1)
	}
	protected := func(d inventory.Descriptor) []byte {
		var e struct{ Protected string }
		must(t, json.Unmarshal(good(d), &e))
		b, err := base64.RawURLEncoding.DecodeString(e.Protected)
		must(t, err)
		return b
	}
	mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, []attack{
		{name: "envelope key twice", envelope: func(d inventory.Descriptor) []byte { return twice(good(d), "payload", `"e30"`) },
			outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: lenient},
		{name: "envelope key in two cases", envelope: func(d inventory.Descriptor) []byte { return twice(good(d), "Payload", `"e30"`) },
			outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: lenient},
		{name: "envelope with something behind", envelope: func(d inventory.Descriptor) []byte { return append(good(d), "{}"...) },
			outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "header key twice", envelope: func(d inventory.Descriptor) []byte {
			return forgeRaw(t, leaf, payload(d), twice(protected(d), "cty", `"text/plain"`))
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: lenient},
		{name: "payload key twice", envelope: func(d inventory.Descriptor) []byte {
			return forge(t, leaf, twice(payload(d), "targetArtifact", `{"digest":"sha256:00"}`), nil)
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: lenient},
		{name: "payload key twice in COSE", media: cose, envelope: func(d inventory.Descriptor) []byte {
			return sign(t, cose, leaf, twice(payload(d), "targetArtifact", `{"digest":"sha256:00"}`))
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: lenient},
		{name: "payload with something behind", media: cose, envelope: func(d inventory.Descriptor) []byte { return sign(t, cose, leaf, append(payload(d), "{}"...)) },
			outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "COSE with something behind", media: cose, envelope: func(d inventory.Descriptor) []byte { return append(sign(t, cose, leaf, payload(d)), 0xa0) },
			outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "several signatures", envelope: func(d inventory.Descriptor) []byte {
			return edit(t, good(d), func(e map[string]any) { e["signatures"] = []any{map[string]any{}} })
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed, stricter: "RFC 7515, section 7.2.2, allows one of the two forms only"},
		{name: "base64 with spare bits", envelope: func(d inventory.Descriptor) []byte {
			return edit(t, forge(t, leaf, append(payload(d), ' '), nil), func(e map[string]any) {
				text := e["payload"].(string)
				if len(text)%4 != 0 {
					e["payload"] = text[:len(text)-1] + string(text[len(text)-1]+1)
				} else {
					e["payload"] = text + "="
				}
			})
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "JWS as COSE", media: cose, envelope: good, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "COSE as JWS", envelope: func(d inventory.Descriptor) []byte { return sign(t, cose, leaf, payload(d)) }, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "nothing", envelope: func(inventory.Descriptor) []byte { return nil }, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "deep", envelope: func(inventory.Descriptor) []byte {
			return []byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))
		}, outcome: invalid, reason: inventory.ReasonPayloadMalformed},
	})
}

// A signature that was altered, by a bit or in its words.
func TestCheck_alteredSignatureIsRefused(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf, other := signer(t, "build", &root), signer(t, "other", &root)
	flip := func(e map[string]any, part string) {
		b, err := base64.RawURLEncoding.DecodeString(e[part].(string))
		must(t, err)
		b[len(b)-1] ^= 1
		e[part] = base64.RawURLEncoding.EncodeToString(b)
	}
	altered := func(f func(map[string]any)) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte { return edit(t, forge(t, leaf, payload(d), nil), f) }
	}
	header := func(headers map[string]any) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte { return forge(t, leaf, payload(d), headers) }
	}
	attacks := []attack{
		{name: "signature by a bit", envelope: altered(func(e map[string]any) { flip(e, "signature") }), outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "payload exchanged", envelope: func(d inventory.Descriptor) []byte {
			return edit(t, forge(t, leaf, []byte(`{}`), nil), func(e map[string]any) { e["payload"] = base64.RawURLEncoding.EncodeToString(payload(d)) })
		}, outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "no signature", envelope: altered(func(e map[string]any) { e["signature"] = "" }), outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "somebody else's certificate", envelope: func(d inventory.Descriptor) []byte {
			return forge(t, holder{key: leaf.key, chain: other.chain}, payload(d), nil)
		}, outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "alg none", envelope: func(d inventory.Descriptor) []byte {
			return edit(t, forge(t, leaf, payload(d), map[string]any{"alg": "none"}), func(e map[string]any) { e["signature"] = "" })
		}, outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "alg HS256", envelope: header(map[string]any{"alg": "HS256"}), outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "alg RS256", envelope: header(map[string]any{"alg": "RS256"}), outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "alg of another key", envelope: header(map[string]any{"alg": "ES384"}), outcome: invalid, reason: inventory.ReasonSignatureMismatch},
		{name: "no critical headers", envelope: header(map[string]any{"crit": nil}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "scheme not critical", envelope: header(map[string]any{"crit": []string{"io.cncf.notary.signingTime"}}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "critical but absent", envelope: header(map[string]any{"crit": []string{"io.cncf.notary.signingScheme", "b64"}}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "unknown scheme", envelope: header(map[string]any{"io.cncf.notary.signingScheme": "notary.x510"}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "no time", envelope: header(map[string]any{"io.cncf.notary.signingTime": nil}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "the other scheme's time", envelope: header(map[string]any{"io.cncf.notary.authenticSigningTime": epoch.Format(time.RFC3339)}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "expiry not critical", envelope: header(map[string]any{"io.cncf.notary.expiry": epoch.Add(time.Hour).Format(time.RFC3339)}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "expiry before signing", envelope: header(map[string]any{"io.cncf.notary.expiry": epoch.Add(-9 * time.Hour).Format(time.RFC3339),
			"crit": []string{"io.cncf.notary.signingScheme", "io.cncf.notary.expiry"}}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
		{name: "another payload type", envelope: header(map[string]any{"cty": "application/vnd.in-toto+json"}), outcome: invalid, reason: inventory.ReasonPayloadMalformed},
	}
	attacks = append(attacks, attack{name: "COSE by a bit", media: cose, envelope: func(d inventory.Descriptor) []byte {
		raw := sign(t, cose, leaf, payload(d))
		raw[len(raw)-1] ^= 1 // the signature comes last
		return raw
	}, outcome: invalid, reason: inventory.ReasonSignatureMismatch})
	attacks = append(attacks, attack{name: "COSE payload by a bit", media: cose, envelope: func(d inventory.Descriptor) []byte {
		raw := sign(t, cose, leaf, payload(d))
		raw[bytes.Index(raw, []byte("sha256:"))+10] ^= 1
		return raw
	}, outcome: invalid, reason: inventory.ReasonSignatureMismatch})
	mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, attacks)
}

// Certificates that aren't fit for signing, whoever vouches for them.
func TestCheck_unfitCertificateIsRefused(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	weakSub := template("Weak")
	weakSub.IsCA, weakSub.BasicConstraintsValid, weakSub.KeyUsage = true, true, x509.KeyUsageCertSign
	weakIssuer := create(t, weakSub, weak, &root)
	limited := authority(t, "Limited", nil, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	below := authority(t, "Below", &limited)
	underLeaf := create(t, template("under a leaf"), ec(t), &leaf)
	fit := func(changes ...change) holder { return signer(t, "unfit", &root, changes...) }
	usage := func(u ...x509.ExtKeyUsage) change { return func(c *x509.Certificate) { c.ExtKeyUsage = u } }
	long := root
	for i := range 12 {
		long = authority(t, fmt.Sprintf("Sub %d", i), &long)
	}
	reordered := signer(t, "build", &below)
	reordered.chain[1], reordered.chain[2] = reordered.chain[2], reordered.chain[1]
	cut := signer(t, "cut", &weakIssuer)
	cut.chain = cut.chain[:1]
	var attacks []attack
	for name, h := range map[string]holder{
		"for servers":             fit(usage(x509.ExtKeyUsageServerAuth)),
		"for signing and servers": fit(usage(x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageServerAuth)),
		"for timestamps":          fit(usage(x509.ExtKeyUsageTimeStamping)),
		"no digital signature":    fit(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }),
		"no key usage":            fit(func(c *x509.Certificate) { c.KeyUsage = 0 }),
		"an authority":            root,
		"weak intermediate":       signer(t, "weak", &weakIssuer),
		"path too long":           signer(t, "deep", &below),
		"under a leaf":            underLeaf,
		"out of order":            reordered,
		"no issuer":               cut,
		"endless":                 signer(t, "long", &long),
		"root doubled":            {key: leaf.key, chain: append(append([]*x509.Certificate{}, leaf.chain...), root.root())},
		"a stranger at the end":   {key: leaf.key, chain: []*x509.Certificate{leaf.certificate(), authority(t, "Root", nil).root(), root.root()}},
	} {
		stricter := map[string]string{"weak intermediate": "the specification counts the leaf's bits only", "endless": "notation-go sets no limit"}[name]
		attacks = append(attacks, attack{name: name, envelope: func(d inventory.Descriptor) []byte { return forge(t, h, payload(d), nil) },
			outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: stricter})
	}
	attacks = append(attacks, attack{name: "for any use", envelope: func(d inventory.Descriptor) []byte {
		return forge(t, fit(usage(x509.ExtKeyUsageAny)), payload(d), nil)
	}, outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: "the specification forbids it, the library doesn't look"})
	attacks = append(attacks, attack{name: "a bare key", envelope: func(d inventory.Descriptor) []byte {
		return edit(t, forge(t, leaf, payload(d), nil), func(e map[string]any) {
			key, err := x509.MarshalPKIXPublicKey(leaf.key.Public())
			must(t, err)
			e["header"] = map[string]any{"x5c": [][]byte{key, root.root().Raw}}
		})
	}, outcome: invalid, reason: inventory.ReasonCertificateInvalid}, attack{name: "garbage for a certificate", envelope: func(d inventory.Descriptor) []byte {
		return edit(t, forge(t, leaf, payload(d), nil), func(e map[string]any) {
			e["header"] = map[string]any{"x5c": [][]byte{[]byte("hello"), root.root().Raw}}
		})
	}, outcome: invalid, reason: inventory.ReasonCertificateInvalid}, attack{name: "no certificate", envelope: func(d inventory.Descriptor) []byte {
		return edit(t, forge(t, leaf, payload(d), nil), func(e map[string]any) { e["header"] = map[string]any{} })
	}, outcome: invalid, reason: inventory.ReasonPayloadMalformed}, attack{name: "nobody's certificate", envelope: func(d inventory.Descriptor) []byte {
		return forge(t, signer(t, "", &root, func(c *x509.Certificate) {
			c.Subject.CommonName, c.Subject.Country, c.Subject.Organization = "", nil, nil
		}), payload(d), nil)
	}, outcome: invalid, reason: inventory.ReasonIdentityMalformed, stricter: "a signer without a name can't be told from another"})
	mount(t, []notation.Store{store(t, "ca", "acme", root.root()), store(t, "ca", "limited", limited.root())}, attacks)
}

// A signature made with a key of 1024 bits, by somebody whom the root vouches
// for.
func TestCheck_weakKeyIsRefused(t *testing.T) {
	root := authority(t, "Root", nil)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	c := template("weak")
	c.KeyUsage = x509.KeyUsageDigitalSignature
	h := create(t, c, weak, &root)
	good := signer(t, "good", &root)
	mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, []attack{{name: "RSA 1024", envelope: func(d inventory.Descriptor) []byte {
		return forge(t, holder{key: good.key, chain: h.chain}, payload(d), map[string]any{"alg": "PS256"})
	}, outcome: invalid, reason: inventory.ReasonCertificateInvalid}})
}

// What a signer demands of a verifier and isn't understood here.
func TestCheck_criticalAttributes(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	with := func(media string, attributes ...signature.Attribute) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte {
			return sign(t, media, leaf, payload(d), func(r *signature.SignRequest) { r.ExtendedSignedAttributes = attributes })
		}
	}
	plugin := signature.Attribute{Key: "io.cncf.notary.verificationPlugin", Critical: true, Value: "com.example.plugin"}
	version := signature.Attribute{Key: "io.cncf.notary.verificationPluginMinVersion", Critical: true, Value: "1.0.0"}
	own := signature.Attribute{Key: "com.example.demand", Critical: true, Value: "x"}
	hint := signature.Attribute{Key: "com.example.hint", Value: "x"}
	const lax = "notation-go looks at critical attributes only when there is a plugin"
	mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, []attack{
		{name: "a plugin", envelope: with(jws, plugin), outcome: unverifiable, reason: inventory.ReasonNotChecked},
		{name: "a plugin of a version", envelope: with(jws, plugin, version, own), outcome: unverifiable, reason: inventory.ReasonNotChecked},
		{name: "a plugin in COSE", media: cose, envelope: with(cose, plugin), outcome: unverifiable, reason: inventory.ReasonNotChecked},
		{name: "a plugin that isn't critical", envelope: with(jws, signature.Attribute{Key: plugin.Key, Value: plugin.Value}), outcome: unverifiable, reason: inventory.ReasonNotChecked},
		{name: "unknown", envelope: with(jws, own), outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: lax},
		{name: "unknown in COSE", media: cose, envelope: with(cose, own), outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: lax},
		{name: "a number in COSE", media: cose, envelope: with(cose, signature.Attribute{Key: int64(-70000), Critical: true, Value: "x"}),
			outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: lax},
		{name: "a version of no plugin", envelope: with(jws, version), outcome: invalid, reason: inventory.ReasonCertificateInvalid, stricter: lax},
		{name: "only a hint", envelope: with(jws, hint), outcome: verified, reason: inventory.ReasonOK},
	})
}

// A root counts for what its store is for and nothing else.
func TestCheck_rootOfTheWrongStoreIsUnknown(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	byAuthority := func(r *signature.SignRequest) { r.SigningScheme = signature.SigningSchemeX509SigningAuthority }
	for _, media := range []string{jws, cose} {
		mount(t, []notation.Store{store(t, "signingAuthority", "sa", root.root()), store(t, "tsa", "t", root.root())}, []attack{
			{name: media + " notary.x509", media: media, envelope: func(d inventory.Descriptor) []byte { return sign(t, media, leaf, payload(d)) }, outcome: unverifiable, reason: inventory.ReasonRootUnknown},
			{name: media + " signing authority", media: media, envelope: func(d inventory.Descriptor) []byte { return sign(t, media, leaf, payload(d), byAuthority) }, outcome: verified, reason: inventory.ReasonOK},
		})
		mount(t, []notation.Store{store(t, "ca", "acme", root.root())}, []attack{
			{name: media + " signing authority under ca", media: media, envelope: func(d inventory.Descriptor) []byte { return sign(t, media, leaf, payload(d), byAuthority) }, outcome: unverifiable, reason: inventory.ReasonRootUnknown},
		})
	}
	same := authority(t, "Root", nil) // the same name, another key
	mount(t, []notation.Store{store(t, "ca", "acme", same.root())}, []attack{
		{name: "a root of the same name", envelope: func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) }, outcome: unverifiable, reason: inventory.ReasonRootUnknown},
	})
	signature := examine(t, notation.New([]notation.Store{store(t, "tsa", "stamps", root.root())}, nil), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
	if m := check(signature, verify.CheckTrustAnchor).Message; !strings.Contains(m, "in the store stamps, whose type is tsa") {
		t.Errorf("%s", m)
	}
}

// A name that would change how a sentence reads is made visible, and stays what
// it is where it is compared.
func TestCheck_hostileNamesAreShownVisibly(t *testing.T) {
	root := authority(t, "Root", nil)
	name := "release\u202e\n<script>" + strings.Repeat("x", 10_000)
	leaf := signer(t, name, &root)
	s := examine(t, notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, nil), cose, func(d inventory.Descriptor) []byte { return sign(t, cose, leaf, payload(d)) })
	expect(t, s, verified, inventory.ReasonOK)
	if !strings.Contains(s.Signer.Name, "⟨U+202E⟩") || len(s.Signer.Name) > 500 || !strings.Contains(string(s.Signer.ID), "\u202e") {
		t.Errorf("%.200s", s.Signer.Name)
	}
}

// The manifest has one layer, of a known type, and names the image.
func TestCheck_manifestHasToBeASignatures(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	c := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, nil)
	for name, layers := range map[string]func(inventory.Descriptor) []inventory.Descriptor{
		"two":  func(l inventory.Descriptor) []inventory.Descriptor { return []inventory.Descriptor{l, l} },
		"none": func(inventory.Descriptor) []inventory.Descriptor { return []inventory.Descriptor{} },
		"another type": func(l inventory.Descriptor) []inventory.Descriptor {
			l.MediaType = "text/plain"
			return []inventory.Descriptor{l}
		},
	} {
		r, s := subject(t)
		layer := r.PutBlob(sign(t, jws, leaf, payload(s.Manifest)))
		layer.MediaType = jws
		attachLayers(t, r, s, layers(layer)...)
		signature := only(t, inspect(t, c, r, s, time.Time{}))
		t.Run(name, func(t *testing.T) { expect(t, signature, invalid, inventory.ReasonPayloadMalformed) })
	}
	r, s := subject(t)
	layer := r.PutBlob(sign(t, jws, leaf, payload(s.Manifest)))
	layer.MediaType = jws
	m := inventory.Manifest{MediaType: inventory.MediaTypeOCIManifest, ArtifactType: artifact, Layers: []inventory.Descriptor{layer}}
	findings := c.Check(t.Context(), verify.NewItem(r, s, inventory.Attachment{}, m, nil))
	expect(t, findings.Signatures[0], invalid, inventory.ReasonPayloadMalformed)
	m.Subject = &inventory.Descriptor{Digest: inventory.DigestOf([]byte("other"))}
	findings = c.Check(t.Context(), verify.NewItem(r, s, inventory.Attachment{}, m, nil))
	expect(t, findings.Signatures[0], invalid, inventory.ReasonDigestMismatch)
}

// What the registry withholds is unknown, and so is what is too large to read.
func TestCheck_unreadEnvelopeIsNoFinding(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	c := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, nil)
	r, s := subject(t)
	attach(t, r, s, jws, sign(t, jws, leaf, payload(s.Manifest)))
	r.Fault = func(call, _ string) error {
		if call == "blob" {
			return &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "The registry asks us to wait."}
		}
		return nil
	}
	e := inspect(t, c, r, s, time.Time{})
	expect(t, only(t, e), unread, inventory.ReasonRegistryThrottled)
	if e.Incomplete == nil {
		t.Error("the evidence counts as complete")
	}
	r, s = subject(t)
	attach(t, r, s, jws, bytes.Repeat([]byte(" "), 1<<20+1))
	expect(t, only(t, inspect(t, c, r, s, time.Time{})), unread, inventory.ReasonTooLarge)
}

// CVE-2023-33957: an endless number of signatures, to keep a verifier busy. What
// is read is bounded, and the image doesn't become unsigned or invalid by it.
func TestAttack_CVE_2023_33957_manySignatures(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	r, s := subject(t)
	for i := range 3 * verify.MaxAttachments {
		attach(t, r, s, jws, forge(t, leaf, payload(s.Manifest), map[string]any{"n": i}))
	}
	e := inspect(t, notation.New(nil, nil), r, s, time.Time{})
	if len(e.Signatures) != verify.MaxAttachments || e.Incomplete == nil || e.Incomplete.Reason != inventory.ReasonTooMany {
		t.Errorf("%d signatures, %v", len(e.Signatures), e.Incomplete)
	}
}

// CVE-2023-33958: envelopes that are huge, each of them.
func TestAttack_CVE_2023_33958_hugeSignatures(t *testing.T) {
	r, s := subject(t)
	for i := range 5 {
		layer := inventory.Descriptor{MediaType: jws, Digest: inventory.DigestOf([]byte{byte(i)}), Size: 1 << 40}
		attachLayers(t, r, s, layer)
	}
	e := inspect(t, notation.New(nil, nil), r, s, time.Time{})
	for _, signature := range e.Signatures {
		expect(t, signature, unread, inventory.ReasonTooLarge)
	}
	for _, call := range r.Calls() {
		if strings.HasPrefix(call, "blob") {
			t.Errorf("%s was fetched", call)
		}
	}
}

// CVE-2023-33959: the registry is asked for one artifact and the signature is
// another's. The signature, copied whole with the manifest that carries it, is
// refused on its new image by what was signed.
func TestAttack_CVE_2023_33959_signatureOfAnotherImage(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	c := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, nil)
	for _, media := range []string{jws, cose} {
		r, s := subject(t)
		other := s
		other.Manifest = r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest,
			"config": map[string]any{"mediaType": inventory.MediaTypeOCIConfig, "digest": inventory.DigestOf([]byte("{}")), "size": 2}, "layers": []any{}, "annotations": map[string]string{"evil": "yes"}}, "evil")
		raw := sign(t, media, leaf, payload(s.Manifest))
		attach(t, r, s, media, raw)
		attach(t, r, other, media, raw)
		expect(t, only(t, inspect(t, c, r, s, time.Time{})), verified, inventory.ReasonOK)
		expect(t, only(t, inspect(t, c, r, other, time.Time{})), invalid, inventory.ReasonDigestMismatch)
	}
}
