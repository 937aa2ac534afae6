package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A server among several is told to end: it says that it isn't ready, and goes on
// answering until the others get its requests. Then nobody listens.
func TestServe_answersUntilOthersTakeOver(t *testing.T) {
	c := &Config{Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(t.TempDir(), "signboard.db"), Review: ReviewConfig{Approvers: 1}}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	a.linger = 2 * time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, tell := context.WithCancel(t.Context())
	defer tell()
	served := make(chan error, 1)
	go func() { served <- a.serve(ctx, l, false) }()
	// Each asks over a connection of its own.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	status := func(path string) int {
		r, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			return 0
		}
		r.Body.Close()
		return r.StatusCode
	}
	if ready, page := status("/readyz"), status("/"); ready != http.StatusOK || page != http.StatusOK {
		t.Fatalf("before: ready is %d, and a page %d", ready, page)
	}
	told := time.Now()
	tell()
	for status("/readyz") == http.StatusOK && time.Since(told) < a.linger/2 { // in a moment
	}
	if ready, live, page := status("/readyz"), status("/healthz"), status("/"); ready != http.StatusServiceUnavailable || live != http.StatusOK || page != http.StatusOK {
		t.Errorf("while it lingers: ready is %d, live %d, and a page %d", ready, live, page)
	}
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(told); took < a.linger {
		t.Errorf("it ended %v after it was told to, and should have answered for %v", took, a.linger)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("somebody still listens: %v", err)
	}
}
