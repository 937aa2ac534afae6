package main

import (
	"context"
	"log/slog"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/verify"
	"signboard/inventory/verify/buildkit"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/dct"
	"signboard/inventory/verify/notation"
	"signboard/inventory/verify/sigstore"
)

// rootsTime is how long a command that looks once waits for roots of trust to
// be refreshed before it goes on with those it has.
const rootsTime = 10 * time.Second

// trust is the roots of trust besides registered keys.
type trust struct {
	sigstore *sigstore.Roots
	stores   []notation.Store
	places   []*dct.Place // of the registries that have a notary server
	byName   map[string]*dct.Place
}

// memory is what roots of trust remember between one process and the next.
type memory interface {
	sigstore.Shelf
	dct.Memory
}

// unwritten is the memory of a command that only looks: it reads what others
// keep, and keeps nothing.
type unwritten struct{ memory }

func (unwritten) KeepTrustRoot(context.Context, string, []byte, time.Time) error { return nil }

func (unwritten) KeepTUF(context.Context, string, []byte) error { return nil }

// openTrust makes what the configuration names ready to check with. It asks
// nobody.
func openTrust(ctx context.Context, c TrustConfig, m memory, log *slog.Logger) (*trust, error) {
	var sources []sigstore.Source
	for _, s := range c.Sigstore {
		// A private address in the file is its operator's own word; a name that
		// leads to one isn't, and needs allow_private.
		client := registry.NewOutsideClient(registry.Outside{AllowPrivate: s.AllowPrivate || private(s.TUF), UserAgent: userAgent()})
		switch {
		case s.TrustedRoot != "":
			sources = append(sources, sigstore.Source{Name: s.Name, File: s.TrustedRoot})
		case s.TUF == publicGood:
			sources = append(sources, sigstore.PublicGood(s.Name, client))
		default:
			sources = append(sources, sigstore.Source{Name: s.Name, TUF: s.TUF, TUFRoot: s.root, Client: client})
		}
	}
	roots, err := sigstore.NewRoots(ctx, sources, sigstore.Options{Shelf: m, Log: log})
	if err != nil {
		return nil, err
	}
	t := &trust{sigstore: roots, byName: map[string]*dct.Place{}}
	for _, n := range c.Notation {
		t.stores = append(t.stores, n.store)
	}
	for _, n := range c.Notary {
		client := registry.NewOutsideClient(registry.Outside{AllowPrivate: n.AllowPrivate || private(n.URL), RootCAs: n.ca, UserAgent: userAgent()})
		place := dct.New(dct.Server{Registry: n.Registry, Host: n.host, URL: n.URL, Client: client, Pins: n.pins}, m, nil)
		t.places, t.byName[n.Registry] = append(t.places, place), place
	}
	return t, nil
}

// inspector makes the inspector of one registry.
func (t *trust) inspector(source verify.Source, r RegistryConfig, keys func() *verify.Keyring) *verify.Inspector {
	// Where revocation is asked about is written in certificates, which anybody
	// may have made; only a registry of the operator's own network gets there.
	revocation := registry.NewOutsideClient(registry.Outside{AllowPrivate: r.AllowPrivate, UserAgent: userAgent()})
	in := verify.NewInspector(source, keys, cosign.New(t.sigstore.Domains), notation.New(t.stores, revocation), buildkit.New())
	if place := t.byName[r.Name]; place != nil {
		in.Outside = append(in.Outside, place)
	}
	return in
}

// run keeps the roots up to date until ctx ends.
func (t *trust) run(ctx context.Context) { t.sigstore.Run(ctx) }

// refresh brings the roots up to date for a command that looks once. Where that
// fails, or takes too long, it goes on with the roots it has.
func (t *trust) refresh(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, rootsTime)
	defer cancel()
	if err := t.sigstore.Refresh(ctx); err != nil {
		log.Warn("a root of trust could not be refreshed; what is known of it stays in use", "error", err)
	}
}

// trustRoots describes every configured root of trust, for the page.
func (a *app) trustRoots() []inventory.TrustRoot {
	list := a.trust.sigstore.Status()
	list = append(list, notation.TrustRoots(a.trust.stores)...)
	for _, p := range a.trust.places {
		list = append(list, p.TrustRoot())
	}
	return list
}

func userAgent() string { return "signboard/" + version() }
