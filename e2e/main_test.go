package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	chromium "signboard/e2e/browser"
)

var (
	binary     string          // the program under test
	demoURL    string          // where a demo of it listens
	registry   string          // the demo's registry
	browser    context.Context // a running Chromium
	startedAt  time.Duration   // how long the demo took to be ready
	shots      = "screenshots"
	runtimeDir string
)

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	var err error
	if runtimeDir, err = os.MkdirTemp("", "signboard-e2e-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(runtimeDir)
	if err := os.MkdirAll(shots, 0o755); err != nil {
		return 0, err
	}
	binary = filepath.Join(runtimeDir, "signboard")
	// Databases are copied, restored and shared: one key signs the audit log of all.
	if err := os.Setenv("SIGNBOARD_AUDIT__KEY_FILE", filepath.Join(runtimeDir, "audit-key")); err != nil {
		return 0, err
	}
	if out, err := exec.Command("go", "build", "-o", binary, "signboard/cmd/signboard").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the program: %v\n%s", err, out)
	}
	defer func() {
		if shared.pg != nil {
			shared.pg.remove()
		}
	}()
	started := time.Now()
	p, err := start("demo", "--listen", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer p.stop()
	match, err := p.wait(regexp.MustCompile(`Open (http://\S+)(?s:.*)Its registry is (http://[^\s:]+:\d+)`))
	if err != nil {
		return 0, err
	}
	startedAt = time.Since(started)
	demoURL, registry = match[1], match[2]

	running, stop, err := chromium.Start(runtimeDir)
	if err != nil {
		return 0, err
	}
	defer stop()
	browser = running
	return m.Run(), nil
}

// program is a running signboard.
type program struct {
	cmd *exec.Cmd

	mu  sync.Mutex
	out bytes.Buffer
	end chan struct{}
}

// start runs the program in an empty directory of its own.
func start(args ...string) (*program, error) {
	dir, err := os.MkdirTemp(runtimeDir, "run-")
	if err != nil {
		return nil, err
	}
	return launch(binary, dir, nil, args...)
}

// launch runs a program in a folder, with additions to the environment.
func launch(binary, dir string, env []string, args ...string) (*program, error) {
	p := &program{cmd: exec.Command(binary, args...), end: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.end)
		lines := bufio.NewReader(pipe)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.out.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

func (p *program) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// wait returns once what the program printed matches.
func (p *program) wait(pattern *regexp.Regexp) ([]string, error) {
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if match := pattern.FindStringSubmatch(p.printed()); match != nil {
			return match, nil
		}
		select {
		case <-p.end:
			return nil, fmt.Errorf("the program ended before it printed %s:\n%s", pattern, p.printed())
		case <-deadline:
			return nil, fmt.Errorf("the program did not print %s:\n%s", pattern, p.printed())
		case <-tick.C:
		}
	}
}

// stop interrupts the program and waits for its end.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.end
	return p.cmd.Wait()
}

// kill ends the program as a power cut does.
func (p *program) kill() {
	p.cmd.Process.Kill()
	<-p.end
	p.cmd.Wait()
}

// run runs the program to its end and returns what it printed and its exit
// status.
func run(t *testing.T, dir, stdin string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("running signboard %v: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
