package registry

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"signboard/inventory"
)

// Addresses that no registry has a reason to send us to: not even one that may
// be on a private network.
var never = prefixes(
	"0.0.0.0/8",          // "this network" (RFC 1122, section 3.2.1.3)
	"169.254.0.0/16",     // link-local, where clouds keep their metadata (RFC 3927)
	"192.0.0.192/32",     // Oracle Cloud's metadata
	"100.100.100.200/32", // Alibaba Cloud's metadata
	"224.0.0.0/4",        // multicast (RFC 5771)
	"240.0.0.0/4",        // reserved and broadcast (RFC 1112, section 4)
	"::/128",             // unspecified
	"fe80::/10",          // link-local (RFC 4291, section 2.5.6)
	"fd00:ec2::254/128",  // Amazon's metadata
	"ff00::/8",           // multicast
	"2001::/32",          // Teredo: carries an address of its sender's choice (RFC 4380)
)

// Addresses that only a registry with AllowPrivate may lead to.
var private = prefixes(
	"127.0.0.0/8", "::1/128", // loopback
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"100.64.0.0/10",                                     // carrier-grade NAT (RFC 6598)
	"192.0.0.0/24",                                      // protocol assignments (RFC 6890)
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation (RFC 5737)
	"198.18.0.0/15",  // benchmarking (RFC 2544)
	"fc00::/7",       // unique local (RFC 4193)
	"fec0::/10",      // site-local (RFC 3879)
	"64:ff9b:1::/48", // local translation (RFC 8215)
	"2001:db8::/32",  // documentation (RFC 3849)
)

// Where IPv6 carries an IPv4 address: the address that counts is the inner one.
var carriers = []struct {
	prefix netip.Prefix
	at     int // the first byte of the inner address
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64 (RFC 6052)
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4 (RFC 3056)
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible (RFC 4291, section 2.5.5.1)
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// refuse says why an address may not be dialled; "" when it may.
func refuse(a netip.Addr, allowPrivate bool) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "isn't an address"
	}
	for _, p := range never {
		if p.Contains(a) {
			return "is a link-local, metadata, multicast or reserved address, which a registry is never read from"
		}
	}
	for _, p := range private {
		if p.Contains(a) {
			if allowPrivate {
				return ""
			}
			return "is a private or loopback address; if that is meant, set allow_private for this registry"
		}
	}
	for _, c := range carriers {
		if c.prefix.Contains(a) {
			b := a.As16()
			return refuse(netip.AddrFrom4([4]byte(b[c.at:c.at+4])), allowPrivate)
		}
	}
	return ""
}

// dialer checks each address at the moment it is dialled, after names were
// resolved: literals, names, redirects, token services and names that resolve
// differently the second time all come through here.
type dialer struct {
	allowPrivate bool
	exempt       netip.AddrPort // tests put a registry of the public internet here
}

func (d dialer) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling %q: %w", address, err)
	}
	if ap == d.exempt {
		return nil
	}
	if why := refuse(ap.Addr(), d.allowPrivate); why != "" {
		return &addressError{address: ap.Addr().String(), why: why}
	}
	return nil
}

// addressError says that an address was refused before a byte was sent to it.
type addressError struct{ address, why string }

func (e *addressError) Error() string { return e.address + " " + e.why }

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, ControlContext: d.control}
	return nd.DialContext(ctx, network, address)
}

// look makes a LookError.
func look(reason inventory.Reason, cause error, format string, args ...any) *inventory.LookError {
	return &inventory.LookError{Reason: reason, Message: fmt.Sprintf(format, args...), Err: cause}
}
