package dct

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
)

// root is a root file and what it says.
type root struct {
	file
	says *data.SignedRoot
	by   []key // who signed it, of the keys that it names itself
}

func readRoot(name string, raw []byte) (root, *fault) {
	f, err := read(name, raw)
	r := root{file: f}
	if err == nil {
		r.says, err = f.root()
	}
	if err != nil {
		return r, faulty(inventory.ReasonPayloadMalformed, "%s can't be read: %s.", f, shown(err.Error()))
	}
	return r, nil
}

// role is who may sign for a role that the root names.
func (r root) role(name data.RoleName) keyset {
	role := r.says.Signed.Roles[name]
	return newKeyset(role.KeyIDs, role.Threshold, r.says.Signed.Keys)
}

// own is who may sign the root itself, as the reference client has it: keys in
// a certificate, alone or with its intermediates behind it, that is made out to
// the repository's name.
func (r root) own(gun string) (keyset, *fault) {
	set := r.role(data.CanonicalRootRole)
	var names []string
	for id, k := range set.keys {
		c := k.cert()
		if c != nil && !c.IsCA && !slices.ContainsFunc(k.certs[1:], func(c *x509.Certificate) bool { return !c.IsCA }) {
			if trustpinning.MatchCNToGun(c.Subject.CommonName, data.GUN(gun)) {
				continue
			}
			names = append(names, shown(c.Subject.CommonName))
		}
		delete(set.keys, id)
	}
	switch {
	case len(set.keys) > 0:
		return set, nil
	case len(names) > 0:
		slices.Sort(names)
		return set, faulty(inventory.ReasonCertificateInvalid, "The root's certificate is for %q, not for this repository.", names[0])
	}
	return set, faulty(inventory.ReasonCertificateInvalid, "The root has no key in a certificate, as it has to have one.")
}

// pinned keeps those of the root's keys that a pin names or leads to.
func (s keyset) pinned(pins []Pin, now time.Time) keyset {
	kept := keyset{keys: map[string]key{}, threshold: s.threshold}
	for id, k := range s.keys {
		if slices.ContainsFunc(pins, func(p Pin) bool { return p.holds(k, now) }) {
			kept.keys[id] = k
		}
	}
	return kept
}

func (p Pin) holds(k key, now time.Time) bool {
	if slices.ContainsFunc(p.RootKeyIDs, func(id string) bool { return strings.EqualFold(id, k.id) || strings.EqualFold(id, k.bareID) }) {
		return true
	}
	if len(p.CA) == 0 {
		return false
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}} // no use is laid down for the certificates of roots
	for _, c := range p.CA {
		options.Roots.AddCert(c)
	}
	for _, c := range k.certs[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := k.cert().Verify(options)
	return err == nil
}

// establish checks the root that the server holds: by itself, against the pins,
// and against the root that is remembered.
func (l *loading) establish(ctx context.Context, raw []byte) error {
	v := l.view
	r, fault := readRoot("root", raw)
	v.root = r
	if fault != nil {
		v.frame.root = fail(fault)
		return nil
	}
	set, fault := r.own(l.gun)
	if fault == nil {
		v.root.by, fault = set.verify(r.file, &l.now)
	}
	switch {
	case fault != nil:
		v.frame.root = fail(fault)
		return nil
	case !l.now.Before(r.expires):
		v.frame.root = fail(faulty(inventory.ReasonTrustRootStale, "The repository's root ran out on %s.", day(r.expires)))
	default:
		v.frame.root = pass("The root is signed by its own keys, whose certificates are for this repository, and hasn't run out.")
	}
	return l.anchor(ctx, set)
}

// anchor says why this root and no other: because it is pinned, or because it
// comes from the one that was seen first.
func (l *loading) anchor(ctx context.Context, own keyset) error {
	v := l.view
	why := "No root is pinned for this repository: its root was taken on trust when it was first seen, on " + day(l.known.FirstSeen) + "."
	if len(l.pins) > 0 {
		by, fault := own.pinned(l.pins, l.now).verify(v.root.file, &l.now)
		if fault != nil {
			v.frame.pin = fail(faulty(inventory.ReasonRootUnknown, "The root with the key %s isn't the one that is pinned here for this repository.", short(v.root.by[0].id)))
			return nil
		}
		v.root.by, v.pinned = by, true
		why = "The root is pinned here."
	}
	if l.known.Root == nil {
		v.frame.pin = pass("%s", why)
		return nil
	}
	before, fault := readRoot("root", l.known.Root)
	if fault != nil {
		return &inventory.LookError{Reason: inventory.ReasonNotChecked, Message: "What was remembered of the repository's root can't be read.", Err: errors.New(fault.message)}
	}
	steps := v.root.version - before.version
	switch {
	case steps < 0:
		v.frame.pin = pass("%s", why)
		l.older("root", v.root.version, before.version)
		return nil
	case steps == 0:
		if !sameSaying(before.file, v.root.file) {
			v.frame.pin = fail(faulty(inventory.ReasonSignatureMismatch,
				"This isn't the root that was seen before, although it has the same version %d. If the repository was made anew on purpose, pin its root key %s.", before.version, v.root.by[0].id))
			return nil
		}
	case steps > maxRotations:
		return &inventory.LookError{Reason: inventory.ReasonTooMany,
			Message: fmt.Sprintf("The root of %s was replaced %d times since it was last seen; %d is the most that is followed. Pin its present key to begin anew.", shown(l.gun), steps, maxRotations)}
	default:
		fault, err := l.rotate(ctx, before)
		if err != nil {
			return err
		}
		if fault != nil {
			v.frame.pin = fail(fault)
			return nil
		}
		why += fmt.Sprintf(" It replaced the one seen before, with its keys' consent (version %d to %d).", before.version, v.root.version)
		if steps > 1 {
			why = strings.TrimSuffix(why, ").") + ", every step of it)."
		}
	}
	v.frame.pin = pass("%s", why)
	return nil
}

// rotate follows the roots from the remembered one to the present one: each has
// to be signed by the keys of the one before it and by its own (The Update
// Framework, section 5.3). Those in between may have run out.
func (l *loading) rotate(ctx context.Context, from root) (*fault, error) {
	for version := from.version + 1; version <= l.view.root.version; version++ {
		to := l.view.root
		if version < l.view.root.version {
			name := fmt.Sprintf("%d.root", version)
			raw, err := l.files.file(ctx, name, maxRoot)
			if errors.Is(err, errAbsent) {
				return nil, l.files.look(inventory.ReasonRegistryInconsistent, err, "doesn't have version %d of the root of %s, so that its present root can't be followed back to the one seen before", version, shown(l.gun))
			}
			if err != nil {
				return nil, err
			}
			var fault *fault
			if to, fault = readRoot(name, raw); fault != nil {
				return fault, nil
			}
			if to.version != version {
				return faulty(inventory.ReasonSignatureMismatch, "What the server has as version %d of the root calls itself version %d.", version, to.version), nil
			}
			own, fault := to.own(l.gun)
			if fault == nil {
				_, fault = own.verify(to.file, nil)
			}
			if fault != nil {
				return fault, nil
			}
		}
		before, fault := from.own(l.gun)
		if fault == nil {
			_, fault = before.verify(to.file, nil)
		}
		if fault != nil {
			return faulty(inventory.ReasonSignatureMismatch,
				"The root was replaced without the consent of the one seen before: version %d isn't signed by the keys of version %d. If the repository was made anew on purpose, pin its root key %s.",
				to.version, from.version, l.view.root.by[0].id), nil
		}
		from = to
	}
	return nil, nil
}

// sameSaying reports whether two files say the same, whoever signed them.
func sameSaying(a, b file) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(f file) ([]byte, error) {
	var says map[string]any
	if err := json.Unmarshal(*f.signed.Signed, &says); err != nil {
		return nil, err
	}
	return json.MarshalCanonical(says)
}
