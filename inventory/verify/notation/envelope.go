package notation

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-core-go/signature/cose" // registers COSE envelopes
	_ "github.com/notaryproject/notation-core-go/signature/jws"  // registers JWS envelopes
	"github.com/veraison/go-cose"

	"signboard/inventory"
)

// envelope is a signature as it was read. Nothing in it is proven.
type envelope struct {
	inner signature.Envelope
	chain []*x509.Certificate // leaf first; what came along, in the order it came
}

// open parses an envelope. What lenient parsers disagree about is an error: the
// JSON in it is read strictly, wherever it stands, and go-cose does the same for
// CBOR. An error is a sentence for a person.
func open(mediaType string, raw []byte) (*envelope, error) {
	var certificates [][]byte
	var err error
	switch mediaType {
	case typeJWS:
		certificates, err = strictJWS(raw)
	case typeCOSE:
		certificates, err = x5chain(raw)
	default:
		err = fmt.Errorf("%q is no envelope of the Notary Project", shown(mediaType))
	}
	if err != nil {
		return nil, err
	}
	e := &envelope{}
	if e.inner, err = signature.ParseEnvelope(mediaType, raw); err != nil {
		return nil, fmt.Errorf("it can't be parsed: %s", shown(err.Error()))
	}
	if len(certificates) == 0 {
		return nil, errors.New("it carries no certificates")
	}
	for n, der := range certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			if _, bare := x509.ParsePKIXPublicKey(der); bare == nil {
				return nil, unreadableCertificate("A bare public key stands where a certificate should be.")
			}
			return nil, unreadableCertificate(fmt.Sprintf("Certificate %d of the chain can't be read.", n+1))
		}
		e.chain = append(e.chain, c)
	}
	return e, nil
}

// unreadableCertificate is the error of an envelope that is well-formed but for
// what it has in the place of certificates.
type unreadableCertificate string

func (e unreadableCertificate) Error() string { return string(e) }

// strictJWS holds a JWS in JSON serialisation (RFC 7515, section 7.2.2) to
// strict JSON, together with the two documents in it, and returns the
// certificates it carries.
func strictJWS(raw []byte) ([][]byte, error) {
	var outer struct {
		Payload   string `json:"payload"`
		Protected string `json:"protected"`
		Header    struct {
			Certificates [][]byte `json:"x5c"`
		} `json:"header"`
		Signatures any `json:"signatures"`
	}
	if err := inventory.StrictJSON(raw, &outer); err != nil {
		return nil, fmt.Errorf("it isn't well-formed JSON: %s", shown(err.Error()))
	}
	if outer.Signatures != nil {
		return nil, errors.New("it is a JWS of several signatures, and the format has one")
	}
	for _, part := range []struct{ name, text string }{{"protected header", outer.Protected}, {"payload", outer.Payload}} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part.text)
		if err == nil {
			var ignored map[string]any
			err = inventory.StrictJSON(b, &ignored)
		}
		if err != nil {
			return nil, fmt.Errorf("its %s isn't well-formed: %s", part.name, shown(err.Error()))
		}
	}
	return outer.Header.Certificates, nil
}

// x5chain reads the certificates of a COSE envelope (RFC 9360), a list of them
// as the Notary Project has it.
func x5chain(raw []byte) ([][]byte, error) {
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(raw); err != nil {
		return nil, fmt.Errorf("it isn't a well-formed COSE message: %s", shown(err.Error()))
	}
	list, _ := m.Headers.Unprotected[cose.HeaderLabelX5Chain].([]any)
	var certificates [][]byte
	for _, element := range list {
		der, ok := element.([]byte)
		if !ok {
			return nil, errors.New("its chain of certificates holds something else")
		}
		certificates = append(certificates, der)
	}
	return certificates, nil
}

// target is what a payload says was signed (signature specification, "Payload").
type target struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

func parsePayload(raw []byte) (target, error) {
	var payload struct {
		Target *target `json:"targetArtifact"`
	}
	if err := inventory.StrictJSON(raw, &payload); err != nil {
		return target{}, err
	}
	if payload.Target == nil {
		return target{}, errors.New("it names no artifact")
	}
	return *payload.Target, nil
}

// differs says in what a payload isn't about an image; empty when it is. The
// media type and the size count as the digest does: whoever trusts the
// descriptor trusts all of it.
func (t target) differs(image inventory.Descriptor) string {
	switch {
	case t.Digest != string(image.Digest):
		return fmt.Sprintf("The signature is for another image, %s.", shown(inventory.Digest(t.Digest).Short()))
	case t.MediaType != image.MediaType:
		return fmt.Sprintf("The signature is for this digest as %s, and the image is a %s.", shown(t.MediaType), shown(image.MediaType))
	case t.Size != image.Size:
		return fmt.Sprintf("The signature is for this digest with %d bytes, and the image has %d.", t.Size, image.Size)
	}
	return ""
}

// annotations are the payload's, for showing: what the signer wanted to say
// besides.
func (t target) annotations() []inventory.Fact {
	const most = 20
	var facts []inventory.Fact
	for name, value := range t.Annotations {
		facts = append(facts, inventory.Fact{Name: shown(name), Value: shown(value)})
	}
	slices.SortFunc(facts, func(a, b inventory.Fact) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if len(facts) > most {
		facts = append(facts[:most], inventory.Fact{Name: "Further annotations", Value: fmt.Sprint(len(facts) - most)})
	}
	return facts
}

// The attributes by which a signer names the plugin that has to verify
// (signature specification, "Extended attributes for Notation Plugins").
const (
	attributePlugin        = "io.cncf.notary.verificationPlugin"
	attributePluginVersion = "io.cncf.notary.verificationPluginMinVersion"
)

// demands are the critical attributes that aren't understood here, and the
// plugin that would understand them, if the signer names one. A plugin that is
// named without being critical counts all the same.
func demands(info *signature.SignerInfo) (unknown []string, plugin string) {
	for _, a := range info.SignedAttributes.ExtendedAttributes {
		switch {
		case a.Key == attributePlugin:
			if plugin = shown(fmt.Sprint(a.Value)); plugin == "" {
				plugin = "without a name"
			}
		case a.Critical:
			unknown = append(unknown, shown(fmt.Sprint(a.Key)))
		}
	}
	if plugin != "" { // which version of it is the plugin's to check
		unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == attributePluginVersion })
	}
	slices.Sort(unknown)
	return unknown, plugin
}

// schemes are the names of the signature algorithms.
var schemes = map[signature.Algorithm]string{
	signature.AlgorithmPS256: "RSASSA-PSS with SHA-256",
	signature.AlgorithmPS384: "RSASSA-PSS with SHA-384",
	signature.AlgorithmPS512: "RSASSA-PSS with SHA-512",
	signature.AlgorithmES256: "ECDSA P-256 with SHA-256",
	signature.AlgorithmES384: "ECDSA P-384 with SHA-384",
	signature.AlgorithmES512: "ECDSA P-521 with SHA-512",
}
