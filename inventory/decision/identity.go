package decision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
)

// pattern checks the pattern that an approval of a signer is asked to have.
func pattern(s inventory.Signer, p inventory.IdentityPattern) (inventory.IdentityPattern, error) {
	if p == "" {
		return "", nil
	}
	issuer, name, keyless := s.ID.Identity()
	if !keyless {
		return "", inventory.Errorf(inventory.Invalid, "Only an identity that an issuer vouches for can be widened to a pattern; this signer is approved as it is.")
	}
	p, err := inventory.ParseIdentityPattern(string(p))
	if err != nil {
		return "", err
	}
	if !p.Match(name) {
		return "", inventory.Errorf(inventory.Invalid, "The pattern %s doesn't hold the identity that you approve: %s of %s.", inventory.Visible(string(p)), inventory.Visible(name), inventory.Visible(issuer))
	}
	if refused := p.Reach(s.ID).Refused; refused != "" {
		return "", inventory.Errorf(inventory.Invalid, "%s", refused)
	}
	return p, nil
}

// roots are the roots of trust that an approval of a signer goes by: those asked
// for, or else all that its signatures came through so far.
func roots(s inventory.Signer, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return s.Roots, nil
	}
	if s.ID.Kind() != inventory.KeylessSigner {
		return nil, inventory.Errorf(inventory.Invalid, "Only the approval of an identity that an issuer vouches for can be kept to roots of trust.")
	}
	for _, root := range asked {
		if !slices.Contains(s.Roots, root) {
			return nil, inventory.Errorf(inventory.Invalid, "No signature of this signer came through the root of trust %q so far: %s.", inventory.Visible(root), came(s.Roots))
		}
	}
	return asked, nil
}

func came(roots []string) string {
	if len(roots) == 0 {
		return "none is known that one came through"
	}
	return "they came through " + inventory.Visible(strings.Join(roots, " and "))
}

// understood fails with Invalid when a pattern is so wide that whoever approves
// it has to say that they know, and they haven't.
func (d Door) understood(ctx context.Context, r SignerRequest, now time.Time) error {
	if r.Verb != inventory.Approve || r.Identities == "" || r.Acknowledged {
		return nil
	}
	reach := r.Identities.Reach(r.Signer)
	if !reach.Acknowledge {
		return nil
	}
	ids, _, err := d.Impact.Matching(ctx, r.Signer, r.Identities, 0, now)
	if err != nil {
		return err
	}
	return inventory.Errorf(inventory.Invalid, "This approval is wide: %s %s Say that you understand, then decide.", reach.Says, trusting(len(ids)))
}

func trusting(n int) string {
	if n == 1 {
		return "It covers one identity that was seen here, and all that come."
	}
	return fmt.Sprintf("It covers %d identities that were seen here, and all that come.", n)
}

// covered are the signers whose images an outcome changes: the one it is about,
// first, and those for whom it counts by its pattern, or what it ends did.
func (d Door) covered(ctx context.Context, s inventory.Signer, o outcome, now time.Time) ([]inventory.SignerID, error) {
	patterns := []inventory.IdentityPattern{o.decision.Identities}
	for _, old := range s.Decisions {
		if slices.Contains(o.ended, old.ID) {
			patterns = append(patterns, old.Identities)
		}
	}
	slices.Sort(patterns)
	var others []inventory.SignerID
	for _, p := range slices.Compact(patterns) {
		if p == "" {
			continue
		}
		ids, _, err := d.Impact.Matching(ctx, s.ID, p, 0, now)
		if err != nil {
			return nil, err
		}
		others = append(others, ids...)
	}
	others = slices.DeleteFunc(normal(others), func(id inventory.SignerID) bool { return id == s.ID })
	return append([]inventory.SignerID{s.ID}, others...), nil
}

// lent are the decisions that count for a signer after an outcome about another
// one: what that ends is ended, and its approval counts where its pattern matches.
func (o outcome) lent(id inventory.SignerID, decisions []inventory.Decision) []inventory.Decision {
	list := make([]inventory.Decision, 0, len(decisions)+1)
	for _, d := range decisions {
		list = append(list, o.after(d))
	}
	if o.decision.Lends(id) && o.decision.Matches(id) {
		list = append(list, o.decision)
	}
	return list
}
