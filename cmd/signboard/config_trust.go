package main

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/verify/dct"
	"signboard/inventory/verify/notation"
	"signboard/inventory/verify/sigstore"
)

// TrustConfig is the roots of trust besides registered keys.
type TrustConfig struct {
	Sigstore []SigstoreConfig `koanf:"sigstore"`
	Notation []NotationConfig `koanf:"notation"`
	Notary   []NotaryConfig   `koanf:"notary"`
}

// SigstoreConfig is a Sigstore instance: from a file, or through TUF.
type SigstoreConfig struct {
	Name         string `koanf:"name"`
	TrustedRoot  string `koanf:"trusted_root"`
	TUF          string `koanf:"tuf"`      // public-good, or the address of a repository
	TUFRoot      string `koanf:"tuf_root"` // its first root.json
	AllowPrivate bool   `koanf:"allow_private"`

	root []byte // what is in TUFRoot
}

// NotationConfig is a trust store of Notation's.
type NotationConfig struct {
	Name         string `koanf:"name"`
	Type         string `koanf:"type"`
	Certificates string `koanf:"certificates"`

	store notation.Store
}

// NotaryConfig is the Docker Content Trust server of a registry.
type NotaryConfig struct {
	Registry     string      `koanf:"registry"`
	URL          string      `koanf:"url"`
	CA           string      `koanf:"ca"` // of the server's own certificate
	AllowPrivate bool        `koanf:"allow_private"`
	Pins         []PinConfig `koanf:"pins"`

	host string // the registry as image names begin with it
	ca   *x509.CertPool
	pins []dct.Pin
}

// PinConfig says which roots are good for some repositories.
type PinConfig struct {
	Repositories []string `koanf:"repositories"`
	RootKeys     []string `koanf:"root_keys"`
	CA           string   `koanf:"ca"`
}

// check refuses what can't work and reads the files. The registries have been
// checked before.
func (t *TrustConfig) check(registries []RegistryConfig) error {
	seen := map[string]bool{}
	for i := range t.Sigstore {
		at := fmt.Sprintf("trust.sigstore[%d]", i)
		if err := rootName(at, t.Sigstore[i].Name, seen); err != nil {
			return err
		}
		if err := t.Sigstore[i].check(at); err != nil {
			return err
		}
	}
	clear(seen)
	for i := range t.Notation {
		at := fmt.Sprintf("trust.notation[%d]", i)
		if err := rootName(at, t.Notation[i].Name, seen); err != nil {
			return err
		}
		if err := t.Notation[i].check(at); err != nil {
			return err
		}
	}
	clear(seen)
	for i := range t.Notary {
		n := &t.Notary[i]
		at := fmt.Sprintf("trust.notary[%d]", i)
		r := slices.IndexFunc(registries, func(r RegistryConfig) bool { return r.Name == n.Registry })
		switch {
		case r < 0:
			return fmt.Errorf("%s.registry: expected the name of a registry that is configured, found %q", at, n.Registry)
		case seen[n.Registry]:
			return fmt.Errorf("%s.registry: %q has a notary server already", at, n.Registry)
		}
		seen[n.Registry] = true
		n.host = imageHost(registries[r].URL)
		if err := n.check(at); err != nil {
			return err
		}
	}
	return nil
}

func rootName(at, name string, seen map[string]bool) error {
	if name == "" || strings.ContainsAny(name, "/ \t\n@:") || inventory.Visible(name) != name {
		return fmt.Errorf("%s.name: expected a short name without spaces, slashes, @ and colons, found %q", at, name)
	}
	if seen[name] {
		return fmt.Errorf("%s.name: two entries are called %q; signatures are shown with the name, so it has to tell them apart", at, name)
	}
	seen[name] = true
	return nil
}

func (s *SigstoreConfig) check(at string) error {
	switch {
	case s.TUF == "" && s.TrustedRoot == "":
		return fmt.Errorf("%s: expected trusted_root, the name of a trusted_root.json, or tuf: public-good, or tuf with the address of a TUF repository and tuf_root", at)
	case s.TUF != "" && s.TrustedRoot != "":
		return fmt.Errorf("%s: give either tuf or trusted_root, not both", at)
	case s.TUFRoot != "" && (s.TUF == "" || s.TUF == publicGood):
		return fmt.Errorf("%s.tuf_root: it goes with the address of a TUF repository in tuf; trusted_root and public-good need none", at)
	case s.TrustedRoot != "":
		if err := sigstore.CheckFile(s.TrustedRoot); err != nil {
			return fmt.Errorf("%s.trusted_root: expected a trusted_root.json; %s", at, inventory.AsLookError(err).Message)
		}
		return nil
	case s.TUF == publicGood:
		return nil
	}
	if _, err := address(s.TUF); err != nil {
		return fmt.Errorf("%s.tuf: expected public-good or the address of a TUF repository, as https://tuf.example.com, found %q", at, s.TUF)
	}
	s.TUF = strings.TrimRight(s.TUF, "/")
	if s.TUFRoot == "" {
		return fmt.Errorf("%s.tuf_root: expected the root.json that %s is known by; it is what everything from there is checked with", at, s.TUF)
	}
	raw, err := contents(s.TUFRoot)
	if err != nil {
		return fmt.Errorf("%s.tuf_root: %v", at, err)
	}
	if err := sigstore.CheckTUFRoot(raw); err != nil {
		return fmt.Errorf("%s.tuf_root: expected a TUF root.json; %s is none: %v", at, s.TUFRoot, err)
	}
	s.root = raw
	return nil
}

// publicGood is the word for the instance that everybody uses.
const publicGood = "public-good"

func (n *NotationConfig) check(at string) error {
	if !slices.Contains([]string{notation.TypeCA, notation.TypeSigningAuthority, notation.TypeTSA}, n.Type) {
		return fmt.Errorf("%s.type: expected ca, signingAuthority or tsa, found %q", at, n.Type)
	}
	if n.Certificates == "" {
		return fmt.Errorf("%s.certificates: expected the name of a PEM file with the certificates that are relied on", at)
	}
	text, err := contents(n.Certificates)
	if err != nil {
		return fmt.Errorf("%s.certificates: %v", at, err)
	}
	if n.store, err = notation.ParseStore(n.Name, n.Type, text); err != nil {
		return fmt.Errorf("%s.certificates: %s: %v", at, n.Certificates, err)
	}
	n.store.Source = n.Certificates
	return nil
}

func (n *NotaryConfig) check(at string) error {
	if _, err := address(n.URL); err != nil {
		return fmt.Errorf("%s.url: expected the address of a notary server, as https://notary.example.com, found %q", at, n.URL)
	}
	n.URL = strings.TrimRight(n.URL, "/")
	if n.CA != "" {
		list, err := certificates(n.CA)
		if err != nil {
			return fmt.Errorf("%s.ca: %v", at, err)
		}
		n.ca = x509.NewCertPool()
		for _, c := range list {
			n.ca.AddCert(c)
		}
	}
	for i, p := range n.Pins {
		pin, err := p.parse(fmt.Sprintf("%s.pins[%d]", at, i))
		if err != nil {
			return err
		}
		n.pins = append(n.pins, pin)
	}
	return nil
}

func (p PinConfig) parse(at string) (dct.Pin, error) {
	if len(p.Repositories) == 0 {
		return dct.Pin{}, fmt.Errorf(`%s.repositories: expected which repositories it is for, as ["team-a/**"]`, at)
	}
	if len(p.RootKeys) == 0 && p.CA == "" {
		return dct.Pin{}, fmt.Errorf("%s: expected root_keys or ca: what a root is known by", at)
	}
	globs, err := inventory.ParseGlobs(p.Repositories)
	if err != nil {
		return dct.Pin{}, fmt.Errorf("%s.repositories: %v", at, err)
	}
	pin := dct.Pin{Repositories: globs, RootKeyIDs: p.RootKeys}
	for _, id := range p.RootKeys {
		if b, err := hex.DecodeString(id); err != nil || len(b) != 32 {
			return dct.Pin{}, fmt.Errorf("%s.root_keys: expected 64 hexadecimal characters, as notary key list shows them, found %q", at, id)
		}
	}
	if p.CA != "" {
		if pin.CA, err = certificates(p.CA); err != nil {
			return dct.Pin{}, fmt.Errorf("%s.ca: %v", at, err)
		}
	}
	return pin, nil
}

// contents reads a file of the configuration.
func contents(file string) ([]byte, error) {
	const most = 4 << 20
	info, err := os.Stat(file)
	if err == nil && info.Mode().IsRegular() && info.Size() > most {
		return nil, fmt.Errorf("the file %s is longer than %d MiB", file, most>>20)
	}
	raw, err := os.ReadFile(file)
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("the file %s can't be read: %v", file, path.Err)
	}
	return raw, err
}

// certificates reads a PEM file that holds certificates and nothing else.
func certificates(file string) ([]*x509.Certificate, error) {
	text, err := contents(file)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("expected certificates only, found a %s in %s", inventory.Visible(block.Type), file)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of %s is malformed: %v", len(list)+1, file, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("expected a PEM file with -----BEGIN CERTIFICATE-----, found none in %s", file)
	}
	if bytes.Count(text, []byte("-----BEGIN ")) != len(list) {
		return nil, fmt.Errorf("a part of %s is not PEM", file)
	}
	return list, nil
}

// address parses the address of a server.
func address(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err == nil && (u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		err = errors.New("not the plain address of a server")
	}
	return u, err
}

// private reports whether an address that the operator wrote leads to a private
// or loopback address by itself. A name doesn't: what it stands for is said by
// others.
func private(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	if host := u.Hostname(); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && (a.Unmap().IsPrivate() || a.Unmap().IsLoopback())
}

// imageHost is how image names of a registry begin, as the Docker client knows
// them.
func imageHost(registry string) string {
	u, err := url.Parse(registry)
	if err != nil {
		return registry
	}
	switch u.Host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return u.Host
}
