package dct

import (
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// chain runs from the image through the role's list, its key and the roles
// above it to the root. Every check hangs on one link.
func (t *trial) chain(entries []entry) []inventory.Link {
	v, r := t.view, t.role
	tags := make([]string, 0, len(entries))
	for _, e := range entries {
		tags = append(tags, e.tag)
	}
	statement := inventory.Link{Role: inventory.RoleStatement, Name: "List entry " + some(tags),
		Checks: t.About(verify.CheckTargetDigest, verify.CheckTargetLength),
		Facts: append([]inventory.Fact{{Name: "Repository", Value: v.gun}, {Name: "Tags signed", Value: some(tags)},
			{Name: "Length", Value: fmt.Sprintf("%d bytes", entries[0].length)}}, entries[0].hashes...)}
	chain := []inventory.Link{
		{Role: inventory.RoleImage, Name: t.image.Repository + "@" + t.image.Manifest.Digest.Short(), Fingerprint: string(t.image.Manifest.Digest)},
		statement,
		{Role: inventory.RoleSignature, Name: "Signed list of the role " + shown(r.name), Fingerprint: string(r.digest), NotAfter: moment(r.expires),
			Checks: t.About(verify.CheckSignature, verify.CheckTargetExpiry), Facts: r.facts()},
	}
	if len(r.by) > 0 {
		chain = append(chain, keyLink(r.by[0], inventory.RoleKey))
	} else {
		chain = append(chain, inventory.Link{Role: inventory.RoleKey, Name: "Unknown key"})
	}
	line := r.line()
	for i := len(line) - 1; i >= 0; i-- {
		d := inventory.Link{Role: inventory.RoleDelegation, Name: "The root names the keys of targets"}
		if up := line[i].above; up != nil {
			d.Name = fmt.Sprintf("%s delegates to %s", shown(up.name), shown(line[i].name))
			d.Fingerprint, d.NotAfter = string(up.digest), moment(up.expires)
			d.Facts = append(up.facts(), inventory.Fact{Name: "Tags it may sign begin with", Value: some(quoted(line[i].paths))})
		}
		if i == len(line)-1 {
			d.Checks = t.About(verify.CheckDelegation)
		}
		chain = append(chain, d)
	}
	return append(chain, t.root())
}

// facts are what is worth knowing of the list itself.
func (r *role) facts() []inventory.Fact {
	facts := []inventory.Fact{{Name: "Role", Value: shown(r.name)}, {Name: "Version", Value: fmt.Sprint(r.version)}}
	if r.threshold > 0 {
		facts = append(facts, inventory.Fact{Name: "Keys needed", Value: fmt.Sprintf("%d of %d", r.threshold, r.allowed)})
	}
	for _, k := range r.by {
		facts = append(facts, inventory.Fact{Name: "Signed by key", Value: k.id})
	}
	return facts
}

func keyLink(k key, role inventory.LinkRole) inventory.Link {
	l := inventory.Link{Role: role, Name: "Key " + short(k.id), Fingerprint: string(k.spki),
		Facts: []inventory.Fact{{Name: "Key id", Value: k.id}, {Name: "Algorithm", Value: k.algorithm}}}
	if k.bareID != k.id {
		l.Facts = append(l.Facts, inventory.Fact{Name: "Key id without its certificate", Value: k.bareID})
	}
	if c := k.cert(); c != nil {
		if role == inventory.RoleKey {
			l.Role = inventory.RoleLeaf
		}
		l.Name, l.Issuer, l.NotBefore, l.NotAfter = shown(c.Subject.String()), shown(c.Issuer.String()), moment(c.NotBefore), moment(c.NotAfter)
		l.Facts = append(l.Facts, inventory.Fact{Name: "Serial", Value: c.SerialNumber.Text(16)},
			inventory.Fact{Name: "Certificate", Value: string(inventory.DigestOf(c.Raw))})
	}
	return l
}

// root is the end of the chain. The snapshot and the timestamp are facts of it:
// they hold the lists together and sign none. What changes with every new
// timestamp isn't among them, or each would look like another signature.
func (t *trial) root() inventory.Link {
	v := t.view
	l := inventory.Link{Role: inventory.RoleRoot, Name: "Root of " + v.gun}
	if len(v.root.by) > 0 {
		l = keyLink(v.root.by[0], inventory.RoleRoot)
		l.Fingerprint = "sha256:" + v.root.by[0].id // the id is how a root is pinned
	}
	l.Checks = t.About(verify.CheckTUFRoot, verify.CheckRootPin, verify.CheckRollback, verify.CheckTUFTimestamp, verify.CheckTUFSnapshot, verify.CheckServerClosing)
	fact := func(name, format string, args ...any) {
		l.Facts = append(l.Facts, inventory.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	if v.root.says != nil {
		fact("Root", "version %d, until %s", v.root.version, day(v.root.expires))
	}
	if v.snapshot.signed != nil {
		fact("Snapshot", "version %d, until %s", v.snapshot.version, day(v.snapshot.expires))
	}
	if len(v.root.by) > 0 {
		if v.pinned {
			fact("Why it is believed", "pinned here")
		} else {
			fact("Why it is believed", "taken on trust when first seen")
		}
	}
	fact("First seen", "%s", v.known.FirstSeen.UTC().Format(time.RFC3339))
	return l
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
