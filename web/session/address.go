package session

import (
	"net"
	"net/http"

	"github.com/go-chi/chi/v5/middleware"
)

// Address is where a request came from, for the audit log, the limits and the
// server's log: the client's address as the proxies that are trusted passed it
// on, or else that of whoever opened the connection. It holds no port, and is
// empty only in requests that came over no network.
func Address(r *http.Request) string {
	if client := middleware.GetClientIP(r.Context()); client != "" {
		return client
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
