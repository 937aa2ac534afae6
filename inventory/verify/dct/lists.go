package dct

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
)

// lists reads the list of targets and those of all roles it delegates to. None
// is believed for that alone: each is checked against the snapshot, against who
// may sign for it, and against what was seen before.
func (l *loading) lists(ctx context.Context) error {
	keys := keyset{}
	if l.resting() == nil {
		keys = l.view.root.role(data.CanonicalTargetsRole)
	}
	targets, err := l.list(ctx, "targets", keys, nil, []string{""})
	if errors.Is(err, errAbsent) {
		return l.files.look(inventory.ReasonRegistryInconsistent, err, "has a snapshot for %s and no list of what is signed", shown(l.gun))
	}
	if err != nil {
		return err
	}
	l.view.roles = append(l.view.roles, targets)
	seen := map[string]bool{"targets": true}
	for waiting := []*role{targets}; len(waiting) > 0; {
		above := waiting[0]
		waiting = waiting[1:]
		var below []*role
		for _, d := range above.delegates.Roles {
			name := ""
			if d != nil {
				name = d.Name.String()
			}
			// The first entry of a name counts, as for the reference client. Others
			// aren't roles: a list that holds them doesn't hold as a whole.
			if !data.IsDelegation(data.RoleName(name)) || seen[name] || !strings.HasPrefix(name, above.name+"/") {
				continue
			}
			seen[name] = true
			if _, listed := l.meta[name]; !listed && l.meta != nil {
				continue // nothing was signed in it yet
			}
			if len(l.view.roles)+len(below) >= maxRoles {
				l.unread(l.files.look(inventory.ReasonTooMany, nil, "has more than %d roles that sign for %s, and the rest was not read", maxRoles, shown(l.gun)))
				break
			}
			set := newKeyset(d.KeyIDs, d.Threshold, above.delegates.Keys)
			r, err := l.list(ctx, name, set, above, data.RestrictDelegationPathPrefixes(above.paths, d.Paths))
			if errors.Is(err, errAbsent) {
				if l.meta != nil {
					l.unread(l.files.look(inventory.ReasonRegistryInconsistent, err, "doesn't have what the role %s signed for %s, although its snapshot says so", shown(name), shown(l.gun)))
				}
				continue
			}
			if err != nil {
				return err
			}
			below = append(below, r)
		}
		l.view.roles = append(l.view.roles, below...)
		waiting = append(waiting, below...)
	}
	return nil
}

func (l *loading) unread(why *inventory.LookError) {
	if l.view.unread == nil {
		l.view.unread = why
	}
}

// list reads one list and checks it.
func (l *loading) list(ctx context.Context, name string, keys keyset, above *role, paths []string) (*role, error) {
	f, torn, err := l.named(ctx, name, maxTargets)
	if err != nil {
		return nil, err
	}
	r := &role{file: f, threshold: keys.threshold, allowed: len(keys.keys), paths: paths, above: above}
	r.name = name
	if torn != nil {
		r.membership = fail(torn)
		if f.signed == nil {
			return r, nil
		}
	} else if l.meta != nil {
		r.membership = pass("The snapshot names this file.")
	}
	says, err := f.listing()
	if err == nil {
		r.fill(says)
		r.delegates = says.Delegations
		err = f.wellformed(says)
	}
	if err != nil {
		r.membership = fail(faulty(inventory.ReasonPayloadMalformed, "%s can't be read: %s.", f, shown(err.Error())))
		return r, nil
	}
	l.grant(r)
	if l.resting() != nil {
		return r, nil
	}
	by, fault := keys.verify(f, &l.now)
	if fault != nil {
		r.signature = fail(fault)
		return r, nil
	}
	r.by = by
	r.signature = pass("%s is signed by %s.", f, quorum(len(by), r.threshold))
	if seen := l.known.Versions[name]; f.version < seen {
		r.rollback = fail(rolledBack("list of the role "+name, f.version, seen))
	} else {
		r.rollback = pass("Nothing here is older than what was seen before.")
	}
	if !l.now.Before(f.expires) {
		fault := faulty(inventory.ReasonSignatureExpired, "What the role %s signed ran out on %s.", shown(name), day(f.expires))
		fault.sure = true
		r.expiry = fail(fault)
	} else {
		r.expiry = pass("What the role %s signed holds until %s.", shown(name), day(f.expires))
	}
	return r, nil
}

func quorum(have, need int) string {
	if have == 1 {
		return "the one key that it needs"
	}
	return fmt.Sprintf("%d keys, and needs %d", have, need)
}

// grant checks that the right to sign comes down from the root.
func (l *loading) grant(r *role) {
	switch above := r.above; {
	case above == nil:
		r.delegation = pass("The root itself names who signs for the role targets.")
	case above.fault() != nil:
		f := above.fault()
		r.delegation = fail(&fault{reason: f.reason, sure: true, // in doubt is what the role above holds, and that is said of it
			message: fmt.Sprintf("The role %s, which delegates to %s, doesn't hold: %s", shown(above.name), shown(r.name), f.message)})
	case l.resting() == nil:
		r.delegation = pass("The role %s has the right to sign from %s.", shown(r.name), shown(above.name))
	}
}

// fill takes over the targets, by the digests they give.
func (r *role) fill(says data.Targets) {
	r.entries = map[string][]entry{}
	for tag, meta := range says.Targets {
		e := entry{tag: tag, length: meta.Length}
		for _, algorithm := range []string{"sha256", "sha512"} {
			if sum := meta.Hashes[algorithm]; len(sum) > 0 {
				e.hashes = append(e.hashes, inventory.Fact{Name: algorithm, Value: hex.EncodeToString(sum)})
			}
		}
		for _, h := range e.hashes {
			d := h.Name + ":" + h.Value
			r.entries[d] = append(r.entries[d], e)
		}
	}
	for _, list := range r.entries {
		slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.tag, b.tag) })
	}
}
