package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"signboard/cmd/signboard/demo"
	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/web"
)

type demoCommand struct {
	Listen string `help:"Where to listen; loopback only." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Dir    string `help:"Where to keep the demo's database; made anew at every start. Default: a temporary directory." placeholder:"DIR"`
}

// Run starts the demo's registry and identity provider, fills the registry,
// and serves a whole Signboard over them. Everything reaches the database
// through the sync and the decisions that a user's own registry and reviewers
// go through.
func (c demoCommand) Run(e environment) (err error) {
	start := time.Now()
	if !web.Loopback(c.Listen) {
		return inventory.Errorf(inventory.Invalid, "The demo lets anybody sign in as anybody, so it listens on this machine only; %s reaches further. Leave --listen out, or write 127.0.0.1:PORT.", c.Listen)
	}
	l, err := web.Listen(c.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	file, tidy, err := c.database()
	if err != nil {
		return err
	}
	defer tidy()
	base := "http://" + l.Addr().String()
	peers, err := demo.Start(e.ctx, demo.Options{BaseURL: base, Logger: e.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peers.Close()) }()
	config, err := demoConfig(base, file, l, peers)
	if err != nil {
		return err
	}
	a, err := open(e.ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer a.close()
	if err := tell(e.ctx, a, peers); err != nil {
		return err
	}
	a.log = e.log
	fmt.Fprintf(e.stdout, `
  Signboard demo, ready in %.1f s. Open %s

  Sign in as one of three people; no password is asked, because this is a demo:
`, time.Since(start).Seconds(), base)
	for _, p := range peers.People() {
		fmt.Fprintf(e.stdout, "    %-16s %s. %s\n", p.Name, p.Title, p.About)
	}
	fmt.Fprintf(e.stdout, `
  Its registry is %s: push and sign something there,
  then press "Sync now" on %s/registries.
  Everything vanishes when you stop it with Ctrl-C.

`, peers.RegistryURL(), base)
	return a.serve(e.ctx, l, true)
}

// database chooses the demo's database file and says how to tidy up after.
func (c demoCommand) database() (file string, tidy func(), err error) {
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "signboard-demo-")
		if err != nil {
			return "", nil, fmt.Errorf("making a temporary directory: %w", err)
		}
		return filepath.Join(dir, "demo.db"), func() { os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return "", nil, inventory.Errorf(inventory.Invalid, "The directory %s can't be made: %v", c.Dir, err)
	}
	file = filepath.Join(c.Dir, "demo.db")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, inventory.Errorf(inventory.Invalid, "The last demo's database can't be removed: %v", err)
		}
	}
	return file, func() {}, nil
}

// demoConfig is the configuration a user of the demo's organisation would
// write. Its roots of trust lie beside the database, as a user's would.
func demoConfig(base, file string, l net.Listener, d *demo.Demo) (*Config, error) {
	r := RegistryConfig{Name: demo.RegistryName, URL: d.RegistryURL(), Interval: time.Minute, AllowPrivate: true}
	if err := r.check("demo"); err != nil {
		return nil, err
	}
	trustedRoot, err := d.TrustedRoot()
	if err != nil {
		return nil, err
	}
	trust := TrustConfig{
		Sigstore: []SigstoreConfig{{Name: demo.SigstoreName, TrustedRoot: filepath.Join(filepath.Dir(file), "trusted_root.json")}},
		Notation: []NotationConfig{{Name: demo.NotationStore, Type: "ca", Certificates: filepath.Join(filepath.Dir(file), "signing-ca.pem")}},
	}
	for name, content := range map[string][]byte{trust.Sigstore[0].TrustedRoot: trustedRoot, trust.Notation[0].Certificates: d.NotationCertificates()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return nil, inventory.Errorf(inventory.Invalid, "The demo's roots of trust can't be written: %v", err)
		}
	}
	if err := trust.check(nil); err != nil {
		return nil, err
	}
	return &Config{
		Listen: l.Addr().String(), BaseURL: base, Database: "sqlite:" + file,
		Registries: []RegistryConfig{r}, teams: d.Teams(), Review: ReviewConfig{Approvers: 1}, Trust: trust,
		OIDC: &OIDCConfig{
			IssuerURL: d.Issuer(), ClientID: d.ClientID(), ClientSecret: d.ClientSecret(),
			Scopes: []string{"openid", "profile", "email", "groups"}, GroupsClaim: "groups",
			roles: d.Roles(),
		},
	}, nil
}

// tell brings the demo's story into the inventory: the organisation registers
// its keys, its reviewer decides about them, the registry is synced, identities
// that it shows are approved, one key is revoked, a tag moves, and the registry
// is synced again.
func tell(ctx context.Context, a *app, d *demo.Demo) error {
	reviewer := inventory.Actor{
		Kind: inventory.UserActor, Name: d.Reviewer().Name, Subject: d.Issuer() + "|" + d.Reviewer().Subject,
		Role: inventory.Reviewer, Address: "127.0.0.1",
	}
	type revocation struct {
		id     inventory.SignerID
		reason string
	}
	var revoked []revocation
	for _, key := range d.Keys() {
		s, err := a.registerKey(ctx, reviewer, key.Name, key.PEM)
		if err != nil {
			return fmt.Errorf("registering the demo's key %q: %w", key.Name, err)
		}
		if key.Standing == inventory.Pending {
			continue
		}
		scope, err := inventory.ParseGlobs(key.Scope)
		if err != nil {
			return fmt.Errorf("the demo's scope for %q: %w", key.Name, err)
		}
		r := decision.SignerRequest{Signer: s.ID, Verb: inventory.Approve, Repositories: scope, Reason: key.Reason}
		if key.Lasts > 0 {
			until := time.Now().Add(key.Lasts)
			r.ExpiresAt = &until
		}
		if _, err := a.door.Decide(ctx, reviewer, r); err != nil {
			return fmt.Errorf("approving the demo's key %q: %w", key.Name, err)
		}
		if key.Standing == inventory.Revoked {
			revoked = append(revoked, revocation{s.ID, key.RevokeReason})
		}
	}
	if err := d.Push(ctx); err != nil {
		return fmt.Errorf("filling the demo's registry: %w", err)
	}
	sync := func() error {
		summary, err := a.syncer.Sync(ctx, inventory.SyncScope{}, nil)
		if err == nil && !summary.Complete() {
			err = fmt.Errorf("%d things could not be read, the first: %+v", summary.Failed, summary.Failures)
		}
		if err != nil {
			return fmt.Errorf("syncing the demo's registry: %w", err)
		}
		return nil
	}
	if err := sync(); err != nil {
		return err
	}
	for _, i := range d.Identities() {
		scope, err := inventory.ParseGlobs(i.Scope)
		if err != nil {
			return fmt.Errorf("the demo's scope for %q: %w", i.ID, err)
		}
		s, err := a.store.Signer(ctx, i.ID, time.Now())
		if err != nil {
			return fmt.Errorf("reading the demo's signer: %w", err)
		}
		if _, err := a.door.Decide(ctx, reviewer, decision.SignerRequest{Signer: i.ID, Verb: inventory.Approve, Repositories: scope, Reason: i.Reason, Revision: s.Revision}); err != nil {
			return fmt.Errorf("approving the demo's signer: %w", err)
		}
	}
	for _, r := range revoked {
		s, err := a.store.Signer(ctx, r.id, time.Now())
		if err != nil {
			return fmt.Errorf("reading the demo's signer: %w", err)
		}
		if _, err := a.door.Decide(ctx, reviewer, decision.SignerRequest{Signer: r.id, Verb: inventory.Revoke, Reason: r.reason, Revision: s.Revision}); err != nil {
			return fmt.Errorf("revoking the demo's key: %w", err)
		}
	}
	if err := d.MoveTag(ctx); err != nil {
		return fmt.Errorf("moving the demo's tag: %w", err)
	}
	return sync()
}
