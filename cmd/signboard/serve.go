package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"signboard/handlers"
	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/inventory/check"
	"signboard/inventory/verify"
	"signboard/web"
	"signboard/web/session"
)

type serveCommand struct {
	Config string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
}

// Run serves until it is interrupted.
func (c serveCommand) Run(e environment) error {
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	l, err := web.Listen(config.Listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := c.alone(config, l.Addr()); err != nil {
		return err
	}
	scrapes, err := config.listenMetrics()
	if err != nil {
		return err
	}
	if scrapes != nil {
		defer scrapes.Close()
	}
	a, err := openSoon(e.ctx, config, e.log)
	if err != nil {
		return err
	}
	defer a.close()
	a.scrapes = scrapes
	if !web.Loopback(config.Listen) {
		a.linger = lingering
	}
	e.log.Info("serving", "address", config.BaseURL, "listen", l.Addr().String(), "version", version())
	if config.OIDC == nil {
		e.log.Warn("no identity provider is configured: whoever reaches this address on this machine may decide", "listen", config.Listen)
	}
	return a.serve(e.ctx, l, false)
}

// alone refuses to listen where others reach this program while nobody signs in:
// what the configuration calls localhost may be another address here.
func (serveCommand) alone(c *Config, at net.Addr) error {
	if c.OIDC == nil && !web.Loopback(at.String()) {
		return inventory.Errorf(inventory.Invalid, "listen: %s is %s on this machine, which others reach; without oidc nobody signs in, so write 127.0.0.1 instead.", c.Listen, at)
	}
	return nil
}

// lingering is how long a server that others reach goes on answering when it was
// told to end: whoever shares requests out among several asks /readyz, every five
// seconds in deploy/Caddyfile, and has to have seen that this one is ending
// before it takes no more connections.
const lingering = 6 * time.Second

// serve answers and works until ctx ends. Work and streams end at once then;
// pages are answered for a.linger longer.
func (a *app) serve(ctx context.Context, l net.Listener, demo bool) error {
	answering, silence := context.WithCancel(context.WithoutCancel(ctx))
	defer silence()
	defer context.AfterFunc(ctx, func() {
		a.ending.Store(true)
		time.AfterFunc(a.linger, silence)
	})()
	ctx, cancel := context.WithCancel(ctx)
	pages := a.handler(demo)
	var working sync.WaitGroup
	working.Go(func() { a.settleInTime(ctx) })
	working.Go(func() { a.syncer.Run(ctx) })
	working.Go(func() { a.trust.run(ctx) })
	working.Go(func() { a.retain(ctx) })
	working.Go(func() { a.publish(ctx) })
	working.Go(func() { a.watchAudit(ctx) })
	working.Go(func() { a.live.Run(ctx) })
	working.Go(func() { a.serveMetrics(ctx) })
	defer working.Wait()
	defer cancel()
	return web.Serve(answering, web.Bound(l, slices.Concat(web.ThisMachine, a.config.proxies), a.log), pages, a.log)
}

// settleInTime does what a change of the configuration left to do while pages are
// answered already. A failure is logged and tried again.
func (a *app) settleInTime(ctx context.Context) {
	if a.rest == nil {
		return
	}
	start := time.Now()
	a.log.Info("the configuration changed: repositories go to their teams and registries, and pages show some as they were meanwhile")
	for ctx.Err() == nil {
		err := a.settle(ctx)
		if err == nil {
			a.log.Info("the changed configuration holds everywhere", "took", time.Since(start).Round(time.Millisecond))
			return
		}
		if ctx.Err() == nil {
			a.log.Warn("a change of the configuration could not be stored for every repository, will try again", "error", err)
		}
		timer := time.NewTimer(10 * time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// local is who asks while no identity provider is configured: whoever reaches
// the loopback address.
var local = inventory.Actor{Kind: inventory.UserActor, Name: "local operator", Subject: "local", Role: inventory.Admin}

// handler wires the pages.
func (a *app) handler(demo bool) http.Handler {
	c := a.config
	https := strings.HasPrefix(c.BaseURL, "https://")
	sessions := session.Config{
		Store: a.store, BaseURL: c.BaseURL, Local: local, Tokens: a.store, TokenRefused: a.metrics.TokenRefused, Audit: a.store.RecordRefusal, Log: a.log,
	}
	guard := web.Guard{HTTPS: https, Proxies: c.proxies, Refused: a.store.RecordRefusal, Log: a.log}
	provider := ""
	if c.OIDC != nil {
		sessions.OIDC = &session.OIDC{
			Issuer: c.OIDC.IssuerURL, ClientID: c.OIDC.ClientID, ClientSecret: c.OIDC.ClientSecret,
			Scopes: c.OIDC.Scopes, GroupsClaim: c.OIDC.GroupsClaim, Roles: c.OIDC.roles, RootCAs: c.OIDC.roots,
		}
		sessions.Lifetime, sessions.Idle = c.OIDC.SessionLifetime, c.OIDC.SessionIdle
		provider = strings.TrimPrefix(strings.TrimPrefix(origin(c.OIDC.IssuerURL), "https://"), "http://")
	}
	guard.Names = web.LocalHosts(c.BaseURL)
	if c.OIDC == nil || demo {
		guard.Hosts = guard.Names
	}
	people := session.New(sessions)
	a.reachable = people.Reachable
	guard.FormAction = people.FormAction
	sparing := api.NewSparing(a.door, time.Now)
	pages := handlers.Pages{
		Around: a.store, Notices: people, Teams: c.teams, SignIn: people.CanSignIn(), Demo: demo, Version: version(), Clock: time.Now, Warning: a.clockWarning, Log: a.log,
	}
	guard.Error = pages.Error
	image := handlers.Image{Pages: pages, Store: a.store, Signers: a.store}
	return web.Routes{
		Guard: guard, Sessions: people,
		Overview:   handlers.Overview{Pages: pages, Store: a.store, Signers: a.store, Quarantines: a.store, Roots: a.trustRoots},
		Image:      image,
		Signer:     handlers.Signer{Pages: pages, Store: a.store, Images: a.store, Door: sparing, Approvers: c.Review.Approvers},
		Key:        handlers.Key{Pages: pages, Parse: verify.NewKeySigner, Register: a.registerKey},
		Quarantine: handlers.Quarantine{Pages: pages, Store: a.store, Images: image, Door: a.door, Locate: c.locatePlace},
		Team:       handlers.Team{Pages: pages, Store: a.store},
		Export:     handlers.NewExport(handlers.Export{Pages: pages, Images: a.store, Signers: a.store, Quarantines: a.store, Audit: a.store, Coverage: a.store}),
		Registry:   handlers.Registry{Pages: pages, Store: a.store, Door: a.door, Live: a.live, Sessions: people},
		Trust:      handlers.Trust{Pages: pages, Roots: a.trustRoots},
		Audit:      handlers.Audit{Pages: pages, Store: a.store, Proofs: a.store, State: a.auditState},
		Token:      handlers.Token{Pages: pages, Store: a.store, Door: a.door, API: c.BaseURL},
		Learn:      handlers.Learn{Pages: pages},
		Reevaluate: handlers.Reevaluation{Pages: pages},
		Search:     handlers.Search{Pages: pages, Store: a.store},
		Help:       handlers.Help{Pages: pages},
		Account:    handlers.Account{Pages: pages, Sessions: people},
		SignIn:     handlers.SignIn{Pages: pages, Provider: provider, Local: session.Local},
		Theme:      handlers.Theme{Local: session.Local, Secure: https},
		Health:     handlers.Health{Store: a.store.Ready, Ending: a.ending.Load, Release: version(), Log: a.log},
		Hook:       a.hook(),
		API:        api.API{Images: a.store, Signers: a.store, Quarantines: a.store, Registries: a.store, Audit: a.store, Proofs: a.store, Teams: c.teams, Counts: a.store, Door: sparing, Gate: a.gate(check.Options{}), Version: version(), Clock: time.Now, Log: a.log},
		Metrics:    a.metrics, Scrapes: a.scrapes == nil,
	}.Handler()
}

type backupCommand struct {
	Config string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	File   string `arg:"" help:"Where the copy goes; it must not exist yet."`
}

// Run copies the database.
func (c backupCommand) Run(e environment) error {
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	a, err := open(e.ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.store.Backup(e.ctx, c.File); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "copied to", c.File)
	return nil
}
