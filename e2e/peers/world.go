//go:build peers

package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// world is everything that runs: registries, a Sigstore, a notary, and the
// tools to sign and verify with.
type world struct {
	dir string
	bin map[string]string // programs by name

	registries []*registry
	sigstore   *sigstore
	notary     *notary
	notation   *notation
	keys       *keys

	running []*service
}

// newWorld builds and starts all of it below dir. Close it even when it fails.
func newWorld(ctx context.Context, dir string) (*world, error) {
	w := &world{dir: dir}
	folder, err := cache()
	if err != nil {
		return w, err
	}
	started := time.Now()
	if w.bin, err = buildAll(ctx, folder, programs); err != nil {
		return w, err
	}
	if err := w.addNotary(ctx, folder); err != nil {
		return w, err
	}
	w.bin["signboard"] = filepath.Join(dir, "signboard")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", w.bin["signboard"], "signboard/cmd/signboard").CombinedOutput(); err != nil {
		return w, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	say("everything is built, after %d s", int(time.Since(started).Seconds()+0.5))
	started = time.Now()
	for _, step := range []func(context.Context) error{w.startRegistries, w.startSigstore, w.startNotary, w.makeKeys, w.setUpNotation} {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	say("%d services run, after %.1f s", len(w.running), time.Since(started).Seconds())
	return w, nil
}

// start starts services at the same time.
func (w *world) start(ctx context.Context, services ...*service) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		if s.path == "" {
			s.path = w.bin[s.name]
		}
		w.running = append(w.running, s)
		group.Go(func() error { return s.start(ctx, w.dir) })
	}
	return group.Wait()
}

// close ends every process, the last one first.
func (w *world) close() {
	for i := len(w.running) - 1; i >= 0; i-- {
		w.running[i].stop()
	}
	if w.sigstore != nil && w.sigstore.issuer != nil {
		w.sigstore.issuer.server.Close()
	}
	os.RemoveAll(w.dir)
}
