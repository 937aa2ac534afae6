package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory/registry"
)

// TestClockWarning: a clock is only doubted when every registry does.
func TestClockWarning(t *testing.T) {
	peers := func(ahead ...time.Duration) *app {
		a := &app{}
		for _, d := range ahead {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusOK)
			}))
			t.Cleanup(server.Close)
			client, err := registry.New(registry.Config{Name: "r", URL: server.URL, AllowPrivate: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.peers = append(a.peers, client)
		}
		return a
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		app  *app
		says string // nothing when empty
	}{
		"no registry":             {peers(), ""},
		"right":                   {peers(0), ""},
		"a minute":                {peers(time.Minute), ""},
		"behind":                  {peers(day), "This machine's clock is 1 day behind its registry's."},
		"ahead":                   {peers(-2*day - time.Hour), "This machine's clock is 2 days ahead of its registry's."},
		"one of two is wrong":     {peers(0, day), ""},
		"they contradict":         {peers(-day, day), ""},
		"two agree":               {peers(2*day, 3*time.Hour), "3 hours behind those of all 2 registries"},
		"a registry not asked of": {&app{peers: append(peers(day).peers, asked(t))}, "1 day behind its registry's"},
	} {
		if said := c.app.clockWarning(); (said == "") != (c.says == "") || !strings.Contains(said, c.says) {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// asked is a registry that hasn't answered.
func asked(t *testing.T) *registry.Client {
	client, err := registry.New(registry.Config{Name: "silent", URL: "https://registry.invalid"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
