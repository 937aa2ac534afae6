package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signboard/web"
)

// pipes is a listener without a network, so that time can pass at once.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestServer_letsGoOfWhoeverIsSlow holds every way of taking one's time against
// the server as it runs, in time that passes by itself.
func TestServer_letsGoOfWhoeverIsSlow(t *testing.T) {
	const long = 1 << 20
	for name, c := range map[string]struct {
		first  string // at once
		then   string // again and again, a byte a second
		most   time.Duration
		unread bool // the answer is never read
	}{
		"nothing at all":          {most: 10 * time.Second},
		"a header without an end": {first: "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", then: "x", most: 10 * time.Second},
		"headers without an end":  {first: "GET / HTTP/1.1\r\nHost: x\r\n", then: "X: y\r\n", most: 10 * time.Second},
		"a body without an end":   {first: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", then: "x", most: 31 * time.Second},
		"chunks without an end":   {first: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", then: "1\r\nx\r\n", most: 31 * time.Second},
		"a second request":        {first: "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", then: "x", most: 11 * time.Second},
		"silence after an answer": {first: "GET /short HTTP/1.1\r\nHost: x\r\n\r\n", most: 2*time.Minute + time.Second},
		"an answer nobody reads":  {first: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", unread: true, most: time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() {
					served <- web.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if _, err := io.Copy(io.Discard, r.Body); err != nil || r.URL.Path == "/short" {
							return
						}
						_, _ = w.Write(make([]byte, long))
					}), slog.New(slog.DiscardHandler))
				}()
				client, server := net.Pipe()
				l.connections <- server
				began, ended, over := time.Now(), make(chan time.Duration, 2), make(chan bool)
				if !c.unread {
					go func() {
						_, _ = io.Copy(io.Discard, client)
						ended <- time.Since(began)
					}()
				}
				go func() {
					if _, err := io.WriteString(client, c.first); err != nil || c.then == "" {
						return
					}
					for tick := time.Tick(time.Second); ; {
						if _, err := io.WriteString(client, c.then); err != nil {
							return
						}
						select {
						case <-tick:
						case <-over:
							return
						}
					}
				}()
				if c.unread {
					// The pipe says that it was closed only to who reads or writes: what
					// was written before isn't read, so write after the time is over.
					time.AfterFunc(c.most, func() {
						if _, err := io.WriteString(client, "x"); err == nil {
							t.Error("the connection is still open")
						}
						ended <- time.Since(began)
					})
				}
				select {
				case took := <-ended:
					if took > c.most {
						t.Errorf("the connection was held for %s, want at most %s", took, c.most)
					}
				case <-time.After(10 * time.Minute):
					t.Error("the connection is held for ever")
				}
				close(over)
				_ = client.Close()
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// serve runs the server on loopback and returns where.
func (w *world) serve(exempt []netip.Prefix) string {
	w.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	go func() { served <- web.Serve(ctx, web.Bound(inner, exempt, log), w.handler, log) }()
	w.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			w.Error(err)
		}
	})
	return inner.Addr().String()
}

// raw sends bytes as they are and returns the answer.
func raw(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c, request) // the server may hang up before the end
	}()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response, string(body)
}

func TestServer_refusesWhatIsTooLargeOrMalformed(t *testing.T) {
	w := newWorld(t, plan{})
	at := w.serve(nil)
	const host = "Host: signboard.test\r\n"
	for name, c := range map[string]struct {
		request string
		status  []int
	}{
		"a header of 100 kB":          {"GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", []int{431}},
		"ten thousand headers":        {"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: <script>alert(1)</script>\r\n", 10000) + "\r\n", []int{431}},
		"an address of 100 kB":        {"GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\n" + host + "\r\n", []int{431, 414}},
		"an address of 60 kB":         {"GET /" + strings.Repeat("x", 60<<10) + " HTTP/1.1\r\n" + host + "\r\n", []int{303, 404}},
		"two hosts":                   {"GET / HTTP/1.1\r\n" + host + "Host: evil.test\r\n\r\n", []int{400}},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n", []int{400}},
		"a host with markup":          {"GET / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n\r\n", []int{400, 421}},
		"two lengths":                 {"POST /theme HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", []int{400}},
		"a length and chunks":         {"POST /theme HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{303, 400}},
		"another coding":              {"POST /theme HTTP/1.1\r\n" + host + "Transfer-Encoding: <script>\r\n\r\n0\r\n\r\n", []int{501, 400}},
		"a header name with a blank":  {"GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n", []int{400}},
		"a NUL in a header":           {"GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", []int{400}},
		"no HTTP":                     {"<script>alert(1)</script>\r\n\r\n", []int{400}},
		"another version":             {"GET / HTTP/9.9\r\n" + host + "\r\n", []int{505, 400}},
		"a proxy's request":           {"GET http://evil.test/ HTTP/1.1\r\n" + host + "\r\n", []int{421}},
		"a tunnel":                    {"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n", []int{400, 404, 405, 421}},
		"a form of 100 MiB":           {"POST /theme HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 104857600\r\n\r\n" + strings.Repeat("x", 2<<20), []int{413}},
		"a form of endless chunks":    {"POST /theme HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n", 500), []int{413}},
		"all options":                 {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", []int{404, 405, 401, 303}},
		"a method nobody knows":       {"BREW / HTTP/1.1\r\n" + host + "\r\n", []int{405, 501}},
		"tracing":                     {"TRACE / HTTP/1.1\r\n" + host + "X-Secret: hunter2\r\n\r\n", []int{405}},
		"a way out of the folder":     {"GET /static/../../../etc/passwd HTTP/1.1\r\n" + host + "\r\n", []int{303, 404}},
		"a way out, encoded":          {"GET /static/x/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + host + "\r\n", []int{404}},
		"an upgrade to another HTTP":  {"GET / HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", []int{303}},
		"the other HTTP from the top": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 404, 405, 421, 505}},
	} {
		response, body := raw(t, at, c.request)
		if response == nil {
			t.Errorf("%s: no answer: %s", name, body)
			continue
		}
		ok := false
		for _, status := range c.status {
			ok = ok || response.StatusCode == status
		}
		if !ok {
			t.Errorf("%s: %d, want one of %v: %.200s", name, response.StatusCode, c.status, text(body))
		}
		for _, bad := range []string{"<script>alert", "hunter2", "root:"} {
			if strings.Contains(body, bad) || strings.Contains(fmt.Sprint(response.Header), bad) {
				t.Errorf("%s: the answer holds %q", name, bad)
			}
		}
		// What the server answers before there is a request has no headers of ours:
		// it is plain text, and the connection ends.
		if response.Header.Get("Content-Security-Policy") == "" && (response.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !response.Close) {
			t.Errorf("%s: %d with %v", name, response.StatusCode, response.Header)
		}
	}
	if response, _ := raw(t, at, "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"); response == nil || response.StatusCode != http.StatusOK {
		t.Errorf("and then nobody is answered: %v", response)
	}
}

// TestConnections_ofOneAddressAreBounded opens connections that say nothing: as
// many as one address may have, and not one more.
func TestConnections_ofOneAddressAreBounded(t *testing.T) {
	const most, more = 256, 20
	for name, exempt := range map[string][]netip.Prefix{"anybody": nil, "a proxy": web.ThisMachine} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plan{})
			at := w.serve(exempt)
			var open []net.Conn
			var closed atomic.Int64
			heard := make(chan bool, most+more)
			for range most + more {
				c, err := net.Dial("tcp", at)
				w.must(err)
				defer c.Close()
				open = append(open, c)
				// Half a request keeps the server waiting; one that was refused is closed.
				_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n")
			}
			for _, c := range open[most:] {
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				go func() {
					_, _ = io.WriteString(c, "\r\n")
					_, err := http.ReadResponse(bufio.NewReader(c), nil)
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						closed.Add(1)
					}
					heard <- true
				}()
			}
			for range more {
				<-heard
			}
			if want := map[bool]int64{true: more, false: 0}[exempt == nil]; closed.Load() != want {
				t.Errorf("%d of the connections above %d were closed, want %d", closed.Load(), most, want)
			}
			// Those that were let in are served, and who closes one may open another.
			for _, c := range open[:2] {
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				_, _ = io.WriteString(c, "Connection: close\r\n\r\n")
				if response, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("one of the first: %v", err)
				}
				_ = c.Close()
			}
			for try := 0; ; try++ {
				response, why := raw(t, at, "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n")
				if response != nil && response.StatusCode == http.StatusOK {
					break
				}
				if try == 100 { // the server may not have seen yet that the others are closed
					t.Fatalf("there is no room for another: %s", why)
				}
			}
			if logged := strings.Count(w.log.String(), "connections were closed"); logged != map[bool]int{true: 1, false: 0}[exempt == nil] {
				t.Errorf("that is logged %d times", logged)
			}
		})
	}
}
