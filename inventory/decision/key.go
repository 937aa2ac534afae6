package decision

import (
	"context"
	"strings"

	"signboard/inventory"
)

// RegisterKey makes a public key known under a name: a candidate signer,
// pending until somebody approves it. From then on signatures by it can be
// verified. s.ID, s.Facts and s.PublicKey come from parsing the key.
func (d Door) RegisterKey(ctx context.Context, actor inventory.Actor, s inventory.Signer) (inventory.Signer, error) {
	now := d.now()
	if err := require(ctx, d.Signers.RecordRefusal, actor, inventory.DecideSigner, now, string(s.ID)); err != nil {
		return inventory.Signer{}, err
	}
	if s.ID.Kind() != inventory.KeySigner || !s.ID.Valid() || s.PublicKey == "" {
		return inventory.Signer{}, inventory.Errorf(inventory.Invalid, "There is no public key to register.")
	}
	s.Name = strings.TrimSpace(s.Name)
	switch {
	case s.Name == "":
		return inventory.Signer{}, inventory.Errorf(inventory.Invalid, "A key needs a name that people will recognise.")
	case len(s.Name) > 100 || inventory.Suspicious(s.Name):
		return inventory.Signer{}, inventory.Errorf(inventory.Invalid, "The name of a key may have up to 100 ordinary characters.")
	}
	s.Kind, s.Standing, s.RegisteredAt, s.RegisteredBy = inventory.KeySigner, inventory.Pending, &now, actor.Name
	err := d.Signers.RecordKey(ctx, s, entry(actor, now, "key.register", string(s.ID), "", nil, map[string]any{"name": s.Name, "public_key": s.PublicKey}))
	if err != nil {
		return inventory.Signer{}, err
	}
	d.decided()
	return s, nil
}
