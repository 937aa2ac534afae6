package dct

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/utils"
	"signboard/inventory"
)

// key is a public key that metadata names.
type key struct {
	id        string // its hash, certificate and all: how metadata names it
	bareID    string // the same without the certificate: how the notary client shows it
	algorithm string
	spki      inventory.Digest    // of the key itself: two certificates of one key are one key
	certs     []*x509.Certificate // the leaf and what leads to its root; nil for a bare key
	public    data.PublicKey
}

// cert is the certificate that the key came in, nil when it is bare.
func (k key) cert() *x509.Certificate {
	if len(k.certs) == 0 {
		return nil
	}
	return k.certs[0]
}

// outside reports whether the key's certificate isn't valid at a moment. The
// reference client gives a day before the beginning, for clocks that differ.
func (k key) outside(now time.Time) bool {
	c := k.cert()
	return c != nil && (now.AddDate(0, 0, 1).Before(c.NotBefore) || now.After(c.NotAfter))
}

// readKey refuses keys whose id isn't their hash, that are weak, or that are so
// large that verifying with them is an attack.
func readKey(id string, public data.PublicKey) (k key, err error) {
	defer barrier(&err)
	switch {
	case public == nil:
		return k, errors.New("there is no key")
	case len(public.Public()) > maxKey:
		return k, errors.New("the key is too large")
	case public.ID() != id:
		return k, errors.New("the key isn't the one its id says")
	}
	k = key{id: id, public: public}
	var bare any
	switch public.Algorithm() {
	case data.ECDSAKey, data.RSAKey:
		if bare, err = x509.ParsePKIXPublicKey(public.Public()); err != nil {
			return k, err
		}
	case data.ED25519Key:
		if len(public.Public()) != ed25519.PublicKeySize {
			return k, errors.New("an Ed25519 key of another length")
		}
		bare = ed25519.PublicKey(public.Public())
	case data.ECDSAx509Key, data.RSAx509Key:
		if k.certs, err = utils.LoadCertBundleFromPEM(public.Public()); err != nil {
			return k, err
		}
		switch k.certs[0].SignatureAlgorithm {
		case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA:
			return k, errors.New("the certificate is signed with SHA-1 or weaker")
		}
		bare = k.certs[0].PublicKey
	default:
		return k, fmt.Errorf("keys of type %q aren't understood here", shown(public.Algorithm()))
	}
	switch bare := bare.(type) {
	case *ecdsa.PublicKey:
		k.algorithm = "ECDSA " + bare.Params().Name
	case *rsa.PublicKey:
		bits := bare.N.BitLen()
		if bits < 2048 || bits > maxRSAModulus {
			return k, fmt.Errorf("an RSA key of %d bits is refused", bits)
		}
		k.algorithm = fmt.Sprintf("RSA %d", bits)
	case ed25519.PublicKey:
		k.algorithm = "Ed25519"
	default:
		return k, errors.New("the key's algorithm isn't understood here")
	}
	der, err := x509.MarshalPKIXPublicKey(bare)
	if err != nil {
		return k, err
	}
	k.spki = inventory.DigestOf(der)
	k.bareID, err = utils.CanonicalKeyID(public)
	return k, err
}

// keyset is who may sign for a role, and how many of them have to.
type keyset struct {
	keys      map[string]key
	threshold int
}

// newKeyset takes the keys of a role from the file that names them. A key that
// is refused can't sign, and the others still may.
func newKeyset(ids []string, threshold int, keys data.Keys) keyset {
	set := keyset{keys: map[string]key{}, threshold: threshold}
	for _, id := range ids {
		if k, err := readKey(id, keys[id]); err == nil {
			set.keys[id] = k
		}
	}
	return set
}

// methods are the signatures that notary clients and servers make. The library
// knows two more, of clients that nobody has any longer.
var methods = []data.SigAlgorithm{data.ECDSASignature, data.RSAPSSSignature, data.EDDSASignature}

// verify finds the keys of the set that signed, by id. It takes as many
// different keys as the threshold says, and a key in two certificates is one
// key, which the library would count twice. now is the moment at which
// certificates have to be valid; nil when they needn't be.
func (s keyset) verify(f file, now *time.Time) ([]key, *fault) {
	mismatch := func(format string, args ...any) *fault {
		return &fault{reason: inventory.ReasonSignatureMismatch, message: fmt.Sprintf(format, args...)}
	}
	if s.threshold < 1 {
		return nil, mismatch("%s is of a role that nobody has to sign for.", f)
	}
	checked := &data.Signed{Signed: f.signed.Signed}
	for _, signature := range f.signed.Signatures {
		if _, ok := s.keys[signature.KeyID]; ok && slices.Contains(methods, signature.Method) {
			signature.IsValid = false
			checked.Signatures = append(checked.Signatures, signature)
		}
	}
	public := map[string]data.PublicKey{}
	for id, k := range s.keys {
		public[id] = k.public
	}
	if err := verifySignatures(checked, public); err != nil {
		return nil, mismatch("%s isn't signed by the keys that it has to be signed by.", f)
	}
	valid, distinct, late := map[string]key{}, map[inventory.Digest]bool{}, map[inventory.Digest]bool{}
	for _, signature := range checked.Signatures {
		if !signature.IsValid {
			continue
		}
		k := s.keys[signature.KeyID]
		late[k.spki] = true
		if now == nil || !k.outside(*now) {
			valid[k.id], distinct[k.spki] = k, true
		}
	}
	switch {
	case len(distinct) >= s.threshold:
		return slices.SortedFunc(maps.Values(valid), func(a, b key) int { return cmp.Compare(a.id, b.id) }), nil
	case len(late) >= s.threshold:
		return nil, &fault{reason: inventory.ReasonCertificateExpired, sure: true,
			message: fmt.Sprintf("%s is signed with a certificate that isn't valid now, and nothing shows that it was when it was used.", f)}
	}
	return nil, mismatch("%s needs signatures by %d different keys and has them by %d.", f, s.threshold, len(distinct))
}

// verifySignatures marks the signatures that hold.
func verifySignatures(s *data.Signed, keys map[string]data.PublicKey) (err error) {
	defer barrier(&err)
	return signed.VerifySignatures(s, data.BaseRole{Keys: keys, Threshold: 1})
}
