package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"signboard/handlers"
	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/policy"
	"signboard/inventory/registry"
	"signboard/inventory/registry/listing"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/web/metrics"
)

// app is the rooms, wired together over one database.
type app struct {
	config  *Config
	log     *slog.Logger
	store   *store.DB
	peers   []*registry.Client
	syncer  *syncer.Syncer
	door    decision.Door
	trust   *trust
	live    *handlers.Live
	metrics *metrics.Metrics
	scrapes net.Listener // where metrics are read; nil: where the pages are

	reachable func() (up, known bool) // the identity provider; set before anything is served

	auditKeys note.Verifiers // of which one signed each checkpoint of the audit log
	auditKey  string         // the public one of that which signs now
	published []*publisher   // of checkpoints
	watch     auditWatch

	rest func(context.Context) error // of storing the configuration; see settle

	ending atomic.Bool   // it was told to end
	linger time.Duration // how long it goes on answering then

	keys atomic.Pointer[verify.Keyring]

	loading  sync.Mutex // so that an older keyring never replaces a newer one
	revision int64      // the store's revision of the trust material that keys are of
}

// open wires everything that a configuration asks for. The caller closes it.
func open(ctx context.Context, c *Config, log *slog.Logger) (*app, error) {
	a, err := openSoon(ctx, c, log)
	if err != nil {
		return nil, err
	}
	if err := a.settle(ctx); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// openSoon is open, except that what a change of the configuration means for each
// repository is left to settle: in a large inventory that takes a while.
func openSoon(ctx context.Context, c *Config, log *slog.Logger) (*app, error) {
	db, keys, err := openStore(ctx, c, log)
	if err != nil {
		return nil, err
	}
	var registries []inventory.Registry
	for _, r := range c.Registries {
		registries = append(registries, r.registry)
	}
	rest, err := db.BeginConfig(ctx, registries, c.teams, time.Now())
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("storing the configuration: %w", err)
	}
	if err := c.recordSettings(ctx, db, db.AuditFingerprint, time.Now()); err != nil {
		db.Close()
		return nil, err
	}
	a, err := wire(ctx, c, log, db, db)
	if err != nil {
		return nil, err
	}
	a.rest, a.auditKeys, a.auditKey = rest, keys, db.AuditKey()
	if a.published, err = a.publishers(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// settle does what openSoon left.
func (a *app) settle(ctx context.Context) error {
	if a.rest == nil {
		return nil
	}
	if err := a.rest(ctx); err != nil {
		return fmt.Errorf("storing the configuration: %w", err)
	}
	a.rest = nil
	return nil
}

// wire is open over a database that is open already, which it takes over. What
// roots of trust have to remember goes into m.
func wire(ctx context.Context, c *Config, log *slog.Logger, db *store.DB, m memory) (_ *app, err error) {
	db.JudgeWith(policy.JudgeStored)
	a := &app{config: c, log: log, store: db, live: handlers.NewLive(db, log)}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.metrics = a.measured()
	if err := a.loadKeys(ctx); err != nil {
		return nil, err
	}
	if a.trust, err = openTrust(ctx, c.Trust, m, log); err != nil {
		return nil, err
	}
	var peers []syncer.Peer
	for _, r := range c.Registries {
		peer, err := a.peer(r)
		if err != nil {
			return nil, err
		}
		peers = append(peers, peer)
	}
	a.syncer = syncer.New(a.store, peers, tuned(syncer.Options{Log: log, Unread: a.metrics.Unread}))
	a.door = decision.Door{
		Signers: a.store, Quarantines: a.store, Registries: a.store, Tokens: a.store, Impact: a.store, Approvers: c.Review.Approvers, Decided: a.syncer.Nudge,
		Try: a.syncer.Try,
	}
	return a, nil
}

func (a *app) close() {
	if err := a.store.Close(); err != nil {
		a.log.Error("the database could not be closed", "error", err)
	}
}

// peer makes the client and the inspector of one registry.
func (a *app) peer(r RegistryConfig) (syncer.Peer, error) {
	client, err := registry.New(registry.Config{
		Name: r.Name, URL: r.URL, Repositories: r.registry.Repositories, AllowPrivate: r.AllowPrivate,
		Username: r.Username, Password: r.Password, Token: r.Token, ReadSecret: r.secret, TokenHosts: r.TokenHosts,
		RootCAs: r.roots, ClientCertificate: r.shown, Proxy: r.Proxy,
		UserAgent: userAgent(), Logger: a.log,
	})
	if err != nil {
		return syncer.Peer{}, err
	}
	a.peers = append(a.peers, client)
	lister, err := listing.New(client, r.listing())
	if err != nil {
		return syncer.Peer{}, err
	}
	inspector := a.trust.inspector(client, r, a.keys.Load)
	inspector.Verified = a.metrics.Verified
	listed := false
	for _, g := range r.registry.Repositories {
		listed = listed || g.Wild()
	}
	return syncer.Peer{
		Name: r.Name, Registry: lister, Inspector: inspector,
		Tags: r.registry.Tags, Interval: r.Interval, Listed: listed, Elsewhere: lister.Elsewhere(), Ping: client.Ping, Traffic: client.Traffic, Referrers: client, Refresh: a.loadKeys,
	}, nil
}

// loadKeys reads the registered keys, which another process may have added to.
func (a *app) loadKeys(ctx context.Context) error {
	a.loading.Lock()
	defer a.loading.Unlock()
	if a.keys.Load() != nil { // asked before each repository is read
		revision, err := a.store.KeysRevision(ctx)
		if err != nil {
			return fmt.Errorf("asking for new keys: %w", err)
		}
		if a.revision == revision {
			return nil
		}
	}
	signers, revision, err := a.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("reading the registered keys: %w", err)
	}
	ring, err := verify.NewKeyring(signers)
	if err != nil {
		return err
	}
	a.keys.Store(ring)
	a.revision = revision
	return nil
}

// registerKey parses and registers a public key.
func (a *app) registerKey(ctx context.Context, actor inventory.Actor, name string, pem []byte) (inventory.Signer, error) {
	s, err := verify.NewKeySigner(name, pem)
	if err != nil {
		return inventory.Signer{}, err
	}
	if s, err = a.door.RegisterKey(ctx, actor, s); err != nil {
		return inventory.Signer{}, err
	}
	return s, a.loadKeys(ctx)
}

// origin is scheme, host and port of an address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}
