package dct_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
)

// pen is a key that signs metadata.
type pen struct {
	private *ecdsa.PrivateKey
	public  data.PublicKey
}

// newPen makes a key; with names, in a certificate for them that is valid over
// the ten years from a day before at.
func newPen(tb testing.TB, at time.Time, cn string) pen {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	if cn != "" {
		return certified(tb, private, cn, at.AddDate(0, 0, -1), at.AddDate(10, 0, 0), nil, nil)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	must(tb, err)
	return pen{private, data.NewECDSAPublicKey(der)}
}

// certified puts a key into a certificate, made by itself or by an authority.
func certified(tb testing.TB, private *ecdsa.PrivateKey, cn string, from, to time.Time, ca *x509.Certificate, caKey *ecdsa.PrivateKey) pen {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(tb, err)
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, BasicConstraintsValid: true}
	if ca == nil {
		ca, caKey = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &private.PublicKey, caKey)
	must(tb, err)
	return pen{private, data.NewECDSAx509PublicKey(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func authority(tb testing.TB, at time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example Root CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: at.AddDate(0, 0, -1), NotAfter: at.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(tb, err)
	c, err := x509.ParseCertificate(der)
	must(tb, err)
	return c, private
}

// repo is a repository of which the test holds all keys. Tests change it, and
// publish makes its files, each consistent with what it is about.
type repo struct {
	tb       testing.TB
	gun      string
	at       time.Time
	pens     map[string][]pen // of each role
	need     map[string]int   // thresholds; 1 unless set
	signers  map[string][]pen // who signs instead of pens, to mount an attack
	versions map[string]int
	expires  map[string]time.Time
	lists    map[string]*data.Targets // targets and delegations
	order    []string                 // of lists
	listed   map[string]bool          // false: the snapshot leaves the list out
	files    map[string][]byte
	padding  []byte // behind each delegate's list
}

const app = "dct/app"

var noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// newRepo is a repository with one signed image, "one", under the tag v1.
func newRepo(tb testing.TB) *repo {
	tb.Helper()
	r := &repo{tb: tb, gun: host + "/" + app, at: noon, pens: map[string][]pen{}, need: map[string]int{}, signers: map[string][]pen{},
		versions: map[string]int{"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1},
		expires:  map[string]time.Time{"root": noon.AddDate(10, 0, 0), "timestamp": noon.AddDate(0, 0, 14), "snapshot": noon.AddDate(3, 0, 0), "targets": noon.AddDate(3, 0, 0)},
		lists:    map[string]*data.Targets{}, listed: map[string]bool{}, files: map[string][]byte{}}
	for _, role := range []string{"timestamp", "snapshot", "targets"} {
		r.pens[role] = []pen{newPen(tb, noon, "")}
	}
	r.pens["root"] = []pen{newPen(tb, noon, r.gun)}
	r.list("targets")
	r.sign("targets", "v1", "one")
	return r
}

func (r *repo) list(role string) *data.Targets {
	if r.lists[role] == nil {
		r.lists[role] = &data.Targets{Targets: data.Files{}, Delegations: *data.NewDelegations()}
		r.order = append(r.order, role)
		if r.versions[role] == 0 {
			r.versions[role], r.expires[role] = 1, r.at.AddDate(3, 0, 0)
		}
	}
	return r.lists[role]
}

func (r *repo) sign(role, tag, content string) {
	sum := sha256.Sum256([]byte(content))
	r.list(role).Targets[tag] = data.FileMeta{Length: int64(len(content)), Hashes: data.Hashes{"sha256": sum[:]}}
}

// delegate lets a role sign tags that begin with one of the paths.
func (r *repo) delegate(from, to string, paths []string, pens ...pen) {
	r.list(to)
	r.pens[to] = pens
	d := &r.list(from).Delegations
	role := &data.Role{Name: data.RoleName(to), Paths: paths, RootRole: data.RootRole{Threshold: max(1, r.need[to])}}
	for _, p := range pens {
		d.Keys[p.public.ID()] = p.public
		role.KeyIDs = append(role.KeyIDs, p.public.ID())
	}
	d.Roles = append(d.Roles, role)
}

// publish makes the files.
func (r *repo) publish() map[string][]byte {
	r.tb.Helper()
	root := data.Root{SignedCommon: r.common("root", "Root"), Keys: data.Keys{}, Roles: map[data.RoleName]*data.RootRole{}}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		rr := &data.RootRole{Threshold: max(1, r.need[role])}
		for _, p := range r.pens[role] {
			root.Keys[p.public.ID()] = p.public
			rr.KeyIDs = append(rr.KeyIDs, p.public.ID())
		}
		root.Roles[data.RoleName(role)] = rr
	}
	files := map[string][]byte{}
	for name, b := range r.files { // N.root of before
		files[name] = b
	}
	files["root"] = r.signed("root", root)
	snapshot := data.Snapshot{SignedCommon: r.common("snapshot", "Snapshot"), Meta: data.Files{"root": meta(files["root"])}}
	for _, role := range r.order {
		t := r.lists[role]
		t.SignedCommon = r.common(role, "Targets")
		files[role] = r.signed(role, t)
		if role != "targets" {
			files[role] = append(files[role], r.padding...)
		}
		if in, ok := r.listed[role]; !ok || in {
			snapshot.Meta[role] = meta(files[role])
		}
	}
	files["snapshot"] = r.signed("snapshot", snapshot)
	files["timestamp"] = r.signed("timestamp", data.Timestamp{SignedCommon: r.common("timestamp", "Timestamp"), Meta: data.Files{"snapshot": meta(files["snapshot"])}})
	return files
}

// rotate replaces the root's key, with the consent of the one before.
func (r *repo) rotate() {
	before := r.pens["root"]
	now := r.publish()
	r.files[rootName(r.versions["root"])] = now["root"]
	next := newPen(r.tb, r.at, r.gun)
	r.pens["root"] = []pen{next}
	r.versions["root"]++
	r.signers["root"] = append([]pen{next}, before...)
	r.bump()
}

// bump is what a client does with every change.
func (r *repo) bump() {
	for _, role := range []string{"timestamp", "snapshot", "targets"} {
		r.versions[role]++
	}
}

func (r *repo) common(role, kind string) data.SignedCommon {
	return data.SignedCommon{Type: kind, Version: r.versions[role], Expires: r.expires[role]}
}

func (r *repo) signed(role string, says any) []byte {
	r.tb.Helper()
	pens := r.pens[role]
	if s, ok := r.signers[role]; ok {
		pens = s
	}
	return sealed(r.tb, says, pens...)
}

// sealed signs what a file says.
func sealed(tb testing.TB, says any, pens ...pen) []byte {
	tb.Helper()
	body, err := json.MarshalCanonical(says)
	must(tb, err)
	sum := sha256.Sum256(body)
	raw := json.RawMessage(body)
	s := data.Signed{Signed: &raw, Signatures: []data.Signature{}}
	for _, p := range pens {
		x, y, err := ecdsa.Sign(rand.Reader, p.private, sum[:])
		must(tb, err)
		signature := make([]byte, 64)
		x.FillBytes(signature[:32])
		y.FillBytes(signature[32:])
		s.Signatures = append(s.Signatures, data.Signature{KeyID: p.public.ID(), Method: data.ECDSASignature, Signature: signature})
	}
	b, err := json.Marshal(s)
	must(tb, err)
	return b
}

func meta(raw []byte) data.FileMeta {
	sum := sha256.Sum256(raw)
	return data.FileMeta{Length: int64(len(raw)), Hashes: data.Hashes{"sha256": sum[:]}}
}

func rootName(version int) string { return string('0'+rune(version%10)) + ".root" }

// with is the files with some replaced.
func with(files map[string][]byte, replaced map[string][]byte) map[string][]byte {
	next := maps.Clone(files)
	maps.Copy(next, replaced)
	return next
}

func img(content string) inventory.Subject { return image(app, content) }

func rawJSON(s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		panic(err)
	}
	return v
}
