//go:build peers

package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// service is a peer that runs: on loopback, on ports chosen when it is started.
type service struct {
	name  string
	path  string
	args  []string
	env   []string // beside the bare environment
	ready func(ctx context.Context) error

	log  string // a file
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// start runs the service and returns once it is ready.
func (s *service) start(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	s.log = filepath.Join(dir, s.name+".log")
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(s.path, s.args...)
	s.cmd.Dir, s.cmd.Env = dir, append(bare(dir), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := startMortal(s.cmd); err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	s.done = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended before it was ready:\n%s", s.name, s.tail())
		case <-ctx.Done():
			s.stop()
			return fmt.Errorf("%s is not ready: %w\n%s", s.name, err, s.tail())
		case <-tick.C:
		}
	}
}

// stop ends the process: politely first, by force after five seconds.
func (s *service) stop() {
	if s.done == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
		s.kill()
	}
}

// kill ends the process as a power cut does.
func (s *service) kill() {
	s.cmd.Process.Kill()
	<-s.done
}

func (s *service) tail() string {
	raw, _ := os.ReadFile(s.log)
	if len(raw) > 4000 {
		raw = raw[len(raw)-4000:]
	}
	return string(raw)
}

// mortals are the processes to start so that they don't outlive the tests, even
// when those end in a panic. The kernel ties a child's end to the thread that
// started it, so one thread, which never ends, starts them all.
var mortals = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range mortals {
			start()
		}
	}()
}

func startMortal(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := make(chan error)
	mortals <- func() { err <- cmd.Start() }
	return <-err
}

// bare is an environment in which no tool finds anything of the person who runs
// the tests, nor anything beyond loopback: Go's clients, which all of these
// are, ask no proxy for loopback addresses and this one, which isn't there, for
// all others.
func bare(home string) []string {
	nowhere := "http://127.0.0.1:9"
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"DOCKER_CONFIG=" + filepath.Join(home, "docker"), "TUF_ROOT=" + filepath.Join(home, "tuf"), "TMPDIR=" + os.TempDir(),
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "LANG=C.UTF-8",
	}
}

// freePorts returns the numbers of loopback ports that nobody uses. All are
// held before any is given up, so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// answers is ready when the URL answers with 200.
func answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// listens is ready when something accepts connections.
func listens(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", local(port))
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// outcome is how a tool ended.
type outcome struct {
	command string // without its path, for people
	output  string
	code    int
}

// run runs a tool to its end.
func run(ctx context.Context, home string, env []string, path string, args ...string) (outcome, error) {
	o := outcome{}
	var both bytes.Buffer
	code, err := capture(ctx, home, env, &both, &both, path, args...)
	name, _, _ := strings.Cut(filepath.Base(path), "-v")
	o.command, o.output, o.code = strings.Join(append([]string{name}, args...), " "), both.String(), code
	return o, err
}

// capture runs a tool to its end and returns its exit status; the error is one
// of running it at all.
func capture(ctx context.Context, home string, env []string, stdout, stderr io.Writer, path string, args ...string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = home, append(bare(home), env...), stdout, stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return exit.ExitCode(), nil
	}
	return 0, err
}
