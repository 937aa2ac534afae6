// Command signboard shows, for every container image in an organisation's
// registries, who signed it, whether that holds down to the root, and whether
// we trust them. This package reads the command line and the configuration and
// wires the other rooms together; one file per subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"signboard/inventory"
)

// Exit statuses. 0 is success.
const (
	exitFailed    = 1 // it did not work, or policy says no
	exitUsage     = 2 // the command line or the configuration can't be understood
	exitUndecided = 3 // something could not be checked
)

// cli is the command line, as in the outside contract.
type cli struct {
	Demo    demoCommand    `cmd:"" help:"A complete instance on embedded parts, for trying it. Listens on this machine only."`
	Serve   serveCommand   `cmd:"" help:"The server: web pages and sync."`
	Sync    syncCommand    `cmd:"" help:"One complete sync, then a summary. Exit status 3 when anything could not be checked."`
	Verify  verifyCommand  `cmd:"" help:"Look at images in their registries now, and print what their pages would show. Exit status 3 when one could not be checked."`
	Check   checkCommand   `cmd:"" help:"The gate of a pipeline: exit status 0 when every image may be used, 1 when policy says no, 3 when that could not be decided."`
	Key     keyCommand     `cmd:"" help:"Public keys that signatures are checked with."`
	Token   tokenCommand   `cmd:"" help:"Tokens that programs show to the JSON API."`
	Audit   auditCommand   `cmd:"" help:"The log of what people decided and were refused."`
	Backup  backupCommand  `cmd:"" help:"A consistent copy of the database, while the server runs."`
	Version versionCommand `cmd:"" help:"Print the version."`

	LogLevel slog.Level `help:"How much to log: debug, info, warn or error." default:"info" enum:"debug,info,warn,error,DEBUG,INFO,WARN,ERROR"`
}

// env is what a command gets from the process it runs in.
type environment struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger
}

// exit is an error with an exit status of its own. Its message may be empty
// when everything has been said.
type exit struct {
	code    int
	message string
}

func (e exit) Error() string { return e.message }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // who asks twice doesn't want to wait for the first
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("signboard"),
		kong.Description("Who signed this image, and do we trust them?"),
		kong.Writers(stdout, stderr),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // the command line's description is wrong
	}
	exited := -1
	parser.Exit = func(code int) { exited = code }
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		fmt.Fprintf(stderr, "signboard: %v\nTry signboard --help.\n", err)
		return exitUsage
	}
	e := environment{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr,
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.LogLevel}))}
	return report(parsed.Run(e), stderr, e.log)
}

// report says what went wrong, once, and turns it into an exit status.
func report(err error, stderr io.Writer, log *slog.Logger) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[exit](err); ok {
		if e.message != "" {
			fmt.Fprintf(stderr, "signboard: %s\n", e.message)
		}
		return e.code
	}
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		fmt.Fprintf(stderr, "signboard: %s\n", e.Message)
		if e.Err != nil {
			log.Debug("the cause", "error", e.Err)
		}
		if e.Kind == inventory.Invalid {
			return exitUsage
		}
		return exitFailed
	}
	if e, ok := errors.AsType[*inventory.LookError](err); ok {
		fmt.Fprintf(stderr, "signboard: %s\n", e.Message)
		return exitUndecided
	}
	fmt.Fprintf(stderr, "signboard: %v\n", err)
	return exitFailed
}
