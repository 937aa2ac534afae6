package web

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"signboard/web/session"
)

const (
	maxConnections = 4096 // that are open at once
	maxOfAddress   = 256  // of one address; browsers open six each
	boundLog       = time.Minute
)

// Bound limits how many connections l has open at once, in all and from one
// address (a /64 in IPv6), so that one client that opens many and says nothing
// leaves room for others: what is too many of one address is closed, what is too
// many in all waits. The networks of exempt are only part of the whole: a reverse
// proxy stands for all its clients.
func Bound(l net.Listener, exempt []netip.Prefix, log *slog.Logger) net.Listener {
	return &bound{Listener: netutil.LimitListener(l, maxConnections), exempt: exempt, log: log, open: map[string]int{}}
}

type bound struct {
	net.Listener
	exempt []netip.Prefix
	log    *slog.Logger

	mu       sync.Mutex
	open     map[string]int // connections by address
	refused  int            // since a line was logged
	loggedAt time.Time
}

func (b *bound) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, counts := b.from(c)
		if !counts {
			return c, nil
		}
		if b.take(from) {
			return &counted{Conn: c, done: sync.OnceFunc(func() { b.give(from) })}, nil
		}
		_ = c.Close() // whoever it is has enough others
	}
}

// from is what a connection counts for, unless it is exempt.
func (b *bound) from(c net.Conn) (from string, counts bool) {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return "", false // no network
	}
	ip := at.Addr().Unmap().WithZone("")
	for _, p := range b.exempt {
		if p.Contains(ip) {
			return "", false
		}
	}
	return session.Network(ip.String()), true
}

func (b *bound) take(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from] < maxOfAddress {
		b.open[from]++
		return true
	}
	b.refused++
	if now := time.Now(); now.Sub(b.loggedAt) >= boundLog {
		b.log.Warn("connections were closed: their address has too many; a reverse proxy belongs into trusted_proxies", "from", from, "connections", b.refused)
		b.refused, b.loggedAt = 0, now
	}
	return false
}

func (b *bound) give(from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from]--; b.open[from] == 0 {
		delete(b.open, from)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// ThisMachine are the networks that only this machine reaches.
var ThisMachine = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
