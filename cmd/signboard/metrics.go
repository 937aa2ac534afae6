package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"signboard/inventory"
	"signboard/web"
	"signboard/web/metrics"
)

// checkMetrics refuses an address for metrics that can't be listened on, or that
// somebody else reaches while nobody signs in.
func (c *Config) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(c.Metrics)
	if n, notPort := strconv.ParseUint(port, 10, 16); err != nil || notPort != nil || n == 0 {
		return fmt.Errorf("metrics_listen: expected an address and a port, as 127.0.0.1:9090, found %q", c.Metrics)
	}
	if c.Metrics == c.Listen {
		return fmt.Errorf("metrics_listen: pages are at %s already (listen); expected another port, or no metrics_listen: then /metrics is there, for those who may see the pages", c.Listen)
	}
	if c.OIDC == nil && !web.Loopback(c.Metrics) {
		return fmt.Errorf("metrics_listen: without oidc Signboard listens on this machine only; configure oidc, or set metrics_listen to 127.0.0.1:%s instead of %s", port, c.Metrics)
	}
	return nil
}

// listenMetrics opens the address of metrics_listen; nil when there is none.
func (c *Config) listenMetrics() (net.Listener, error) {
	if c.Metrics == "" {
		return nil, nil
	}
	l, err := web.Listen(c.Metrics)
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		e.Message = "metrics_listen: " + e.Message
	}
	return l, err
}

// measured makes what counts, over the database and what is wired later.
func (a *app) measured() *metrics.Metrics {
	return metrics.New(metrics.Config{
		Version: version(), Vitals: a.store.Vitals, Pools: a.store.Pools, Roots: a.trustRoots, Traffic: a.traffic, Log: a.log,
		Provider: func() (up, known bool) { return a.reachable() }, Audit: func() *inventory.AuditCheck { return a.auditState().Check }, Published: a.auditPlaces,
	})
}

// traffic is what was sent to each registry.
func (a *app) traffic() map[string]inventory.Traffic {
	sent := map[string]inventory.Traffic{}
	for i, r := range a.config.Registries {
		sent[r.Name] = a.peers[i].Traffic()
	}
	return sent
}

// serveMetrics answers on the address of metrics_listen, if there is one, until
// ctx ends.
func (a *app) serveMetrics(ctx context.Context) {
	if a.scrapes == nil {
		return
	}
	var hosts []string
	if a.config.OIDC == nil {
		hosts = web.LocalHosts("http://" + a.scrapes.Addr().String())
	}
	if err := web.Serve(ctx, a.scrapes, web.Scrapes(a.metrics, hosts), a.log); err != nil {
		a.log.Error("metrics can no longer be read", "error", err)
	}
}
