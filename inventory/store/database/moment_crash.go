//go:build crash

package database

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"modernc.org/sqlite"
)

// SIGNBOARD_TEST_CRASH is METHOD:MOMENT:N: the process kills itself, as kill -9
// does, when a transaction of that method of DB comes to that moment for the
// n-th time; with :stop behind it, it freezes, as by kill -STOP. METHOD * is any. The moments are begun, when nothing is written
// yet; committing, when everything is and nothing counts; and committed, before
// anybody has heard of it. The moment hooked is committing inside SQLite, which
// the schema's migrations come to as well.
func init() {
	text := os.Getenv("SIGNBOARD_TEST_CRASH")
	if text == "" {
		return
	}
	part := strings.Split(text, ":")
	death.signal = syscall.SIGKILL
	if len(part) == 4 && part[3] == "stop" {
		part, death.signal = part[:3], syscall.SIGSTOP
	}
	n, err := strconv.Atoi(part[len(part)-1])
	if len(part) != 3 || err != nil {
		panic("SIGNBOARD_TEST_CRASH is METHOD:MOMENT:N or METHOD:MOMENT:N:stop, and not " + text)
	}
	death.method, death.moment, death.left = part[0], part[1], n
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
		if hook, ok := conn.(sqlite.HookRegisterer); ok {
			hook.RegisterCommitHook(func() int32 { moment("hooked"); return 0 })
		}
		return nil
	})
}

var death struct {
	sync.Mutex
	method, moment string
	left           int
	signal         syscall.Signal
}

func moment(name string) {
	if name != death.moment || death.method != "*" && !calledBy("store.(*DB)."+death.method) {
		return
	}
	death.Lock() // whoever comes next waits for the end
	defer death.Unlock()
	if death.left--; death.left != 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "test:", death.signal, "at", death.method, death.moment)
	syscall.Kill(os.Getpid(), death.signal)
	if death.signal == syscall.SIGKILL {
		select {}
	}
}

// calledBy reports whether a function is on the stack, itself or as a closure.
func calledBy(function string) bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if name := f.Function; strings.HasSuffix(name, function) || strings.Contains(name, function+".") {
			return true
		}
		if !more {
			return false
		}
	}
}
