package dct

import (
	"fmt"

	"signboard/inventory"
)

// fault is why something in the metadata doesn't hold.
type fault struct {
	reason  inventory.Reason
	message string
	// torn: the files don't fit together or are older than others. The server may
	// have been written to between two requests, or a cache may lag behind:
	// reading everything again tells.
	torn bool
	// sure: the right people signed the list, so that what it doesn't hold isn't
	// signed by them, although what it holds doesn't count any longer.
	sure bool
}

func faulty(reason inventory.Reason, format string, args ...any) *fault {
	return &fault{reason: reason, message: fmt.Sprintf(format, args...)}
}

// finding is how one check ended, before it is known which images it concerns.
// The zero value says that it wasn't made.
type finding struct {
	passed string // what to say of it
	fault  *fault
}

func pass(format string, args ...any) finding { return finding{passed: fmt.Sprintf(format, args...)} }
func fail(f *fault) finding                   { return finding{fault: f} }

// first is the first fault of several findings.
func first(findings ...finding) *fault {
	for _, f := range findings {
		if f.fault != nil {
			return f.fault
		}
	}
	return nil
}

// both is one check of two findings: it passed when both did.
func both(a, b finding) finding {
	if f := first(a, b); f != nil {
		return fail(f)
	}
	if a.passed == "" || b.passed == "" {
		return finding{}
	}
	if a.passed == b.passed {
		return a
	}
	return pass("%s %s", a.passed, b.passed)
}
