// Package web is what every request passes through: the table of routes, the
// server, and the middleware that guards it. What a single page does is in
// handlers.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"signboard/inventory"
)

// Listen opens the address, or says in plain words why it can't be had.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &inventory.Error{Kind: inventory.Invalid, Err: err,
			Message: fmt.Sprintf("Another program listens on %s already. Stop it, or choose another address with listen (or --listen).", address)}
	case errors.Is(err, syscall.EACCES):
		return nil, &inventory.Error{Kind: inventory.Invalid, Err: err,
			Message: fmt.Sprintf("This user may not listen on %s. Choose a port above 1023.", address)}
	case err != nil:
		return nil, &inventory.Error{Kind: inventory.Invalid, Err: err,
			Message: fmt.Sprintf("It is not possible to listen on %q. Write an address as 127.0.0.1:8080.", address)}
	}
	return l, nil
}

// grace is how long requests may still run when the server is to end.
const grace = 10 * time.Second

// Serve answers on l until ctx ends. Then it takes no more connections and lets
// what runs finish within the grace. What takes longer, such as an export to a
// slow reader, is cut off, which is no error: whoever reads it can tell.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" would be answered past every middleware
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(ending)
		if errors.Is(err, context.DeadlineExceeded) {
			log.Warn("answers that were still being given were cut off", "after", grace)
			err = server.Close()
		}
		stopped <- err
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	}
	return <-stopped
}
