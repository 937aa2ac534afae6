package dct

import (
	"fmt"

	"signboard/inventory"
)

// TrustRoot is the server as it is shown among the roots of trust.
func (p *Place) TrustRoot() inventory.TrustRoot {
	r := inventory.TrustRoot{Kind: "notary", Name: p.server.Registry, Source: p.server.URL,
		Facts: []inventory.Fact{{Name: "Names begin with", Value: p.server.Host + "/"}}}
	for _, pin := range p.server.Pins {
		for _, g := range pin.Repositories {
			r.Facts = append(r.Facts, inventory.Fact{Name: "Pinned", Value: fmt.Sprintf("%s: %d root keys, %d certificate authorities", g, len(pin.RootKeyIDs), len(pin.CA))})
		}
	}
	r.Facts = append(r.Facts, inventory.Fact{Name: "Roots that aren't pinned", Value: "taken on trust when first seen"})
	if on, ok := Closes(p.server.URL); ok {
		r.Facts = append(r.Facts, inventory.Fact{Name: "Server closes", Value: day(on)})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.obtained.IsZero() {
		at := p.obtained
		r.ObtainedAt = &at
	}
	r.Failure, r.Stale = p.failed, p.failed != nil
	return r
}

// note keeps how the last reading ended, for TrustRoot.
func (p *Place) note(v *view, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.failed = inventory.AsLookError(err)
	case v.absent:
		p.failed = nil
	case v.frame.fault() != nil:
		f := v.frame.fault()
		p.failed = &inventory.LookError{Reason: f.reason, Message: fmt.Sprintf("%s: %s", v.gun, f.message)}
	default:
		p.failed, p.obtained = nil, v.at
	}
}
