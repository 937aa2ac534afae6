package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"signboard/web"
)

// from asks for something that is refused, from an address and with headers, and
// returns the address that the audit log and the server's log have.
func (w *world) from(peer string, set ...string) string {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), http.MethodPost, "http://signboard.test/registries/local/sync", strings.NewReader(url.Values{}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(w.cookie(viewer))
	r.RemoteAddr = peer
	for i := 0; i+1 < len(set); i += 2 {
		r.Header.Add(set[i], set[i+1])
	}
	if a := w.send(r); a.StatusCode != http.StatusForbidden {
		w.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	e := w.entries()[0]
	if e.Action != "access.refused" || e.Actor.Address != e.Address && e.Actor.Address != "" {
		w.Fatalf("the entry is %+v", e)
	}
	var last string
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "path=/registries/local/sync") && strings.Contains(line, "msg=request ") {
			last = line
		}
	}
	if !strings.Contains(last, "from="+e.Address+" ") && !strings.Contains(last, `from="`+e.Address+`" `) {
		w.Errorf("the server's log has another address than the audit log's %s: %s", e.Address, last)
	}
	return e.Address
}

func TestAddress_isWhatTrustedProxiesSay(t *testing.T) {
	w := newWorld(t, plan{change: func(r *web.Routes) {
		r.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.7/32")}
	}})
	w.fill()
	const proxy = "10.1.2.3:4711"
	for name, c := range map[string]struct {
		peer string
		set  []string
		want string
	}{
		"one proxy":                            {proxy, []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"two proxies":                          {proxy, []string{"X-Forwarded-For", "203.0.113.5, 10.9.9.9"}, "203.0.113.5"},
		"two proxies, a header each":           {proxy, []string{"X-Forwarded-For", "203.0.113.5", "X-Forwarded-For", "10.9.9.9"}, "203.0.113.5"},
		"an address made up by the client":     {proxy, []string{"X-Forwarded-For", "198.51.100.1, 203.0.113.5"}, "203.0.113.5"},
		"a proxy's address made up":            {proxy, []string{"X-Forwarded-For", "10.0.0.1, 203.0.113.5"}, "203.0.113.5"},
		"a header made up before the proxy's":  {proxy, []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"a proxy that sits in another network": {"192.0.2.7:1", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"the same, written as IPv6":            {"[::ffff:10.1.2.3]:1", []string{"X-Forwarded-For", "::ffff:203.0.113.5"}, "203.0.113.5"},
		"IPv6":                                 {"[fd00::1]:1", []string{"X-Forwarded-For", "2001:db8::5"}, "2001:db8::5"},
		"a client that is no proxy":            {"198.51.100.9:1", []string{"X-Forwarded-For", "203.0.113.5"}, "198.51.100.9"},
		"its neighbour":                        {"192.0.2.8:1", []string{"X-Forwarded-For", "203.0.113.5"}, "192.0.2.8"},
		"no header":                            {proxy, nil, "10.1.2.3"},
		"an empty one":                         {proxy, []string{"X-Forwarded-For", " , "}, "10.1.2.3"},
		"nonsense":                             {proxy, []string{"X-Forwarded-For", "203.0.113.5, <script>"}, "10.1.2.3"},
		"nonsense before the client":           {proxy, []string{"X-Forwarded-For", "<script>, 203.0.113.5"}, "203.0.113.5"},
		"only proxies":                         {proxy, []string{"X-Forwarded-For", "10.0.0.9"}, "10.1.2.3"},
		"a line break":                         {proxy, []string{"X-Forwarded-For", "203.0.113.5\nadmin"}, "10.1.2.3"},
		"the standard's header":                {proxy, []string{"Forwarded", "for=203.0.113.5"}, "10.1.2.3"},
		"both, of which one is made up":        {proxy, []string{"Forwarded", "for=198.51.100.1", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"other headers":                        {proxy, []string{"X-Real-Ip", "203.0.113.5", "True-Client-Ip", "203.0.113.5", "Cf-Connecting-Ip", "203.0.113.5"}, "10.1.2.3"},
	} {
		if got := w.from(c.peer, c.set...); got != c.want {
			t.Errorf("%s: from %s with %q is from %s, want %s", name, c.peer, c.set, got, c.want)
		}
	}
}

func TestAddress_isThePeersWithoutProxies(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for peer, want := range map[string]string{"10.1.2.3:1": "10.1.2.3", "127.0.0.1:1": "127.0.0.1", "[2001:db8::5]:1": "2001:db8::5", "[::ffff:10.1.2.3]:1": "10.1.2.3"} {
		if got := w.from(peer, "X-Forwarded-For", "203.0.113.5", "Forwarded", "for=203.0.113.5"); got != want {
			t.Errorf("from %s is from %s, want %s", peer, got, want)
		}
	}
}

// A proxy says nothing of names and schemes: those are base_url's.
func TestForwardedNames_areNotBelievedOfProxiesEither(t *testing.T) {
	w := newWorld(t, plan{local: true, baseURL: "http://localhost:8080", change: func(r *web.Routes) {
		r.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}})
	a := w.get(nobody, "/", "Host", "evil.test", "X-Forwarded-Host", "localhost", "X-Forwarded-Proto", "https")
	if a.StatusCode != http.StatusMisdirectedRequest || a.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}
