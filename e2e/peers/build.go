//go:build peers

package peers

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// program is one pinned peer, built from a module of its own. The module only
// requires the peer's: "go install" would ask for the module's list of versions
// and not every proxy that serves a version has one.
type program struct {
	name    string
	module  string
	version string
	main    string // package to build, below the module; empty: ours, from testdata/NAME

	lines   []string // more lines for go.mod
	edits   []edit   // made in a copy of the module before it is built
	adopt   string   // take go.mod and go.sum of the module, which is fetched from this path
	flags   []string
	without bool // cgo
}

// edit replaces text that must be there.
type edit struct{ file, old, new string }

//go:embed testdata
var ours embed.FS

// cache is where programs are kept between runs.
func cache() (string, error) {
	if dir := os.Getenv("SIGNBOARD_PEERS_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "signboard-peers"), err
}

// buildAll builds what isn't built yet, two at a time: one may link, which
// takes one core, while another compiles. It returns the programs' paths.
func buildAll(ctx context.Context, dir string, programs []program) (map[string]string, error) {
	paths := make([]string, len(programs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, p := range programs {
		group.Go(func() (err error) {
			if paths[i], err = p.build(ctx, dir); err != nil {
				return fmt.Errorf("building %s %s: %w", p.name, p.version, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	byName := map[string]string{}
	for i, p := range programs {
		byName[p.name] = paths[i]
	}
	return byName, nil
}

// build returns the program's path, whose name changes with all that goes into
// it: what is there under that name needs no second look.
func (p program) build(ctx context.Context, dir string) (string, error) {
	sources, err := p.sources()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q %q", fmt.Sprintf("%+v", p), sources, goVersion())
	target := filepath.Join(dir, "bin", fmt.Sprintf("%s-%s-%s", p.name, p.version, hex.EncodeToString(hash.Sum(nil))[:8]))
	if _, err := os.Stat(target); err == nil {
		say("%-12s %-8s is built", p.name, p.version)
		return target, nil
	}
	started := time.Now()
	work := filepath.Join(dir, "src", fmt.Sprintf("%s-%d", p.name, os.Getpid()))
	defer os.RemoveAll(work)
	if err := errors.Join(os.MkdirAll(work, 0o755), os.MkdirAll(filepath.Dir(target), 0o755)); err != nil {
		return "", err
	}
	if err := p.prepare(ctx, work, sources); err != nil {
		return "", err
	}
	pkg := "."
	if p.main != "" {
		pkg = path.Join(p.module, p.main)
	}
	// Built beside its place and moved there whole: several runs may share the
	// folder, and one that is stopped leaves nothing that looks finished.
	fresh := filepath.Join(work, "built")
	args := append([]string{"build", "-mod=mod", "-o", fresh, "-ldflags=-s -w"}, p.flags...)
	if _, err := p.golang(ctx, work, append(args, pkg)...); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, target); err != nil {
		return "", err
	}
	say("%-12s %-8s built in %d s", p.name, p.version, int(time.Since(started).Seconds()+0.5))
	return target, nil
}

// sources are the files of a program of our own.
func (p program) sources() (map[string]string, error) {
	files := map[string]string{}
	if p.main != "" {
		return files, nil
	}
	entries, err := fs.ReadDir(ours, "testdata/"+p.name)
	for _, e := range entries {
		raw, err := fs.ReadFile(ours, "testdata/"+p.name+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		files[e.Name()] = string(raw)
	}
	return files, err
}

// prepare writes the module that the program is built from.
func (p program) prepare(ctx context.Context, work string, sources map[string]string) error {
	var mod strings.Builder
	fetched := p.module
	if p.adopt != "" {
		// Its replace lines count only in the main module, so ours takes them
		// over, with the checksums it vouches for.
		fetched = p.adopt
		m, err := p.download(ctx, work, fetched)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(m.GoMod)
		if err != nil {
			return err
		}
		sums, err := os.ReadFile(filepath.Join(m.Dir, "go.sum"))
		if err != nil {
			return err
		}
		sources["go.sum"] = string(sums)
		_, rest, _ := strings.Cut(string(raw), "\n")
		fmt.Fprintf(&mod, "module peers/%s\n%s\nreplace %s => %s %s\n", p.name, rest, p.module, p.adopt, p.version)
	} else {
		fmt.Fprintf(&mod, "module peers/%s\n\ngo 1.26.0\n\n", p.name)
	}
	fmt.Fprintf(&mod, "require %s %s\n", p.module, p.version)
	for _, line := range p.lines {
		fmt.Fprintln(&mod, line)
	}
	if len(p.edits) > 0 {
		m, err := p.download(ctx, work, fetched)
		if err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(work, "edited"), os.DirFS(m.Dir)); err != nil {
			return err
		}
		for _, e := range p.edits {
			if err := e.apply(filepath.Join(work, "edited")); err != nil {
				return err
			}
		}
		fmt.Fprintf(&mod, "replace %s => ./edited\n", p.module)
	}
	sources["go.mod"] = mod.String()
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (e edit) apply(dir string) error {
	file := filepath.Join(dir, filepath.FromSlash(e.file))
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(raw), e.old) {
		return fmt.Errorf("%s no longer contains %q", e.file, e.old)
	}
	if err := os.Chmod(file, 0o644); err != nil { // the module cache is read-only, and so is its copy
		return err
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), e.old, e.new)), 0o644)
}

// module is where the module cache holds one.
type module struct{ Dir, GoMod string }

func (p program) download(ctx context.Context, work, fetched string) (m module, err error) {
	out, err := p.golang(ctx, work, "mod", "download", "-json", fetched+"@"+p.version)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

// golang runs the go command, apart from the module and workspace that the
// tests themselves are in.
func (p program) golang(ctx context.Context, work string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "PWD="+work)
	if p.without {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("go %s: %w\n%s%s", strings.Join(args, " "), err, out, failed.Stderr)
	}
	return out, err
}

// say prints progress; a cold run takes a quarter of an hour.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peers: "+format+"\n", args...)
}
