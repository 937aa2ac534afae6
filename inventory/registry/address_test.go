package registry

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestRefuse_everyFormOfAnInnerAddress(t *testing.T) {
	tests := map[string]struct{ public, private bool }{
		"8.8.8.8":                {true, true},
		"2606:4700::1111":        {true, true},
		"64:ff9b::808:808":       {true, true},
		"::ffff:8.8.8.8":         {true, true},
		"127.0.0.1":              {false, true},
		"127.8.9.10":             {false, true},
		"::1":                    {false, true},
		"10.1.2.3":               {false, true},
		"172.31.255.255":         {false, true},
		"172.32.0.1":             {true, true},
		"192.168.0.1":            {false, true},
		"100.64.0.1":             {false, true},
		"100.127.255.254":        {false, true},
		"100.128.0.1":            {true, true},
		"198.18.0.1":             {false, true},
		"fd12:3456::1":           {false, true},
		"fec0::1":                {false, true},
		"::ffff:127.0.0.1":       {false, true},
		"::ffff:10.0.0.1":        {false, true},
		"64:ff9b::7f00:1":        {false, true},
		"64:ff9b:1::1":           {false, true},
		"2002:7f00:1::":          {false, true},
		"::127.0.0.1":            {false, true},
		"169.254.169.254":        {false, false},
		"::ffff:169.254.169.254": {false, false},
		"64:ff9b::a9fe:a9fe":     {false, false},
		"2002:a9fe:a9fe::":       {false, false},
		"100.100.100.200":        {false, false},
		"fd00:ec2::254":          {false, false},
		"fe80::1":                {false, false},
		"fe80::1%eth0":           {false, false},
		"0.0.0.0":                {false, false},
		"0.1.2.3":                {false, false},
		"::":                     {false, false},
		"224.0.0.1":              {false, false},
		"ff02::1":                {false, false},
		"255.255.255.255":        {false, false},
		"2001:0:4136:e378::1":    {false, false},
	}
	for text, want := range tests {
		a := netip.MustParseAddr(text)
		if got := refuse(a, false) == ""; got != want.public {
			t.Errorf("%s for a public registry: allowed = %v, want %v", text, got, want.public)
		}
		if got := refuse(a, true) == ""; got != want.private {
			t.Errorf("%s with AllowPrivate: allowed = %v, want %v", text, got, want.private)
		}
	}
}

func TestClient_refusesAPrivateRegistryUnlessAllowed(t *testing.T) {
	server, asked := serve(t, nil)
	for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		c, _ := client(t, server, func(cfg *Config) { cfg.URL, cfg.AllowPrivate = url, false })
		wantLook(t, c.Ping(context.Background()), inventory.ReasonRegistryUnreachable, "127.0.0.1", "allow_private")
	}
	if n := len(asked.all()); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestClient_neverDialsMetadata(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{
		"/v2/a/manifests/latest": redirectTo("http://169.254.169.254/latest/meta-data/"),
	})
	c, _ := client(t, server)
	_, err := c.Manifest(context.Background(), "a", "latest")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "169.254.169.254", "metadata")
}

func redirectTo(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}
