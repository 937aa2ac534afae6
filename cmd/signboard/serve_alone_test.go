package main

import (
	"net"
	"strings"
	"testing"
)

// What localhost is, the machine says: a name that leads elsewhere must not open
// the door that nobody guards.
func TestServe_withoutSignInIsAloneWhateverItsNameMeans(t *testing.T) {
	for address, alone := range map[string]bool{"127.0.0.1": true, "::1": true, "127.8.8.8": true, "0.0.0.0": false, "::": false, "192.0.2.1": false} {
		at := &net.TCPAddr{IP: net.ParseIP(address), Port: 8080}
		err := serveCommand{}.alone(&Config{Listen: "localhost:8080"}, at)
		if (err == nil) != alone || err != nil && !strings.Contains(err.Error(), "listen: localhost:8080 is") {
			t.Errorf("%s: %v", address, err)
		}
		if err := (serveCommand{}).alone(&Config{Listen: "localhost:8080", OIDC: &OIDCConfig{}}, at); err != nil {
			t.Errorf("%s with sign-in: %v", address, err)
		}
	}
	for _, listen := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "board.internal:8080", "192.0.2.1:8080"} {
		if _, err := loadConfig("-", strings.NewReader("listen: '"+listen+"'\n")); err == nil || !strings.Contains(err.Error(), "without it nobody signs in") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}
