package main

import (
	"strings"

	"signboard/inventory"
	"signboard/inventory/check"
)

// gate answers whether images may be used, over everything that is wired.
func (a *app) gate(o check.Options) *check.Gate {
	return check.New(a.store, a.syncer, a.config.place, o)
}

// place finds an image that somebody asks about. It has to be among what the
// configuration has Signboard look at: nobody learns here what its credentials
// could read besides.
func (c *Config) place(typed string) (check.Place, error) {
	r, err := c.locate(strings.TrimSpace(typed))
	if err != nil {
		return check.Place{}, err
	}
	if !inventory.MatchAny(r.registry.registry.Repositories, r.repository) {
		return check.Place{}, inventory.Errorf(inventory.Invalid, "%q is in none of the repositories that are configured for %s. Add it under repositories there.",
			inventory.Visible(shorten(typed)), r.registry.Name)
	}
	return check.Place{Registry: r.registry.Name, Repository: r.repository, At: r.at, Interval: r.registry.Interval}, nil
}
