package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signboard/web"
)

// What runs when the server is told to end is answered to its end, as far as that
// is soon, and no error either way.
func TestServe_letsWhatRunsFinish(t *testing.T) {
	for name, c := range map[string]struct {
		takes  time.Duration
		within time.Duration
		whole  bool
	}{
		"in time":      {takes: 5 * time.Second, within: 6 * time.Second, whole: true},
		"for too long": {takes: 50 * time.Second, within: 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, tell := context.WithCancel(t.Context())
				var log bytes.Buffer
				served := make(chan error, 1)
				go func() {
					served <- web.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						for range 10 { // as an export does, a part after the other
							_, _ = io.WriteString(w, "part\n")
							_ = http.NewResponseController(w).Flush()
							select {
							case <-time.After(c.takes / 10):
							case <-r.Context().Done():
								return
							}
						}
					}), slog.New(slog.NewTextHandler(&log, nil)))
				}()
				client, server := net.Pipe()
				l.connections <- server
				answer := make(chan string, 1)
				go func() {
					text, _ := io.ReadAll(client)
					answer <- string(text)
				}()
				if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // it is being answered
				told := time.Now()
				tell()
				if err := <-served; err != nil {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(told); took > c.within {
					t.Errorf("it ended after %v", took)
				}
				text := <-answer
				if whole := strings.Count(text, "part\n") == 10 && strings.HasSuffix(text, "0\r\n\r\n"); whole != c.whole {
					t.Errorf("the answer was whole: %v\n%s", whole, text)
				}
				if warned := strings.Contains(log.String(), "cut off"); warned == c.whole {
					t.Errorf("it logged %s", &log)
				}
			})
		})
	}
}
