package inventory

import (
	"errors"
	"fmt"
)

// Kind sorts the errors a person may read by what the program should do.
type Kind string

const (
	Internal     Kind = ""             // a defect or an outage: nobody's request was wrong
	NotFound     Kind = "not_found"    // the thing asked for isn't in the inventory
	Invalid      Kind = "invalid"      // the request can't be understood or isn't allowed to say this
	Conflict     Kind = "conflict"     // somebody else changed the thing meanwhile
	Forbidden    Kind = "forbidden"    // this person may not do this
	Unauthorized Kind = "unauthorized" // nobody is signed in
	Throttled    Kind = "throttled"    // too much came from there in a short time
	Unavailable  Kind = "unavailable"  // something this needs can't be reached at the moment
)

// Error is an error whose Message is a sentence for a person. Everything else
// that goes wrong is wrapped with fmt.Errorf and is never shown as it is.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of the kind with a message for a person. A cause that
// the person shouldn't read goes into Err instead.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// KindOf reports the kind of the first Error in err's chain, Internal if there
// is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// A LookError says that looking at something in a registry failed, and why, in
// the words of the reason codes. It is never a finding about a signature: an
// image whose look failed is unknown.
type LookError struct {
	Reason  Reason
	Message string // one sentence for a person, naming the thing and the cause
	Err     error  // the cause, for the log; may be nil
}

func (e *LookError) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *LookError) Unwrap() error { return e.Err }

// ErrNotFound is wrapped by the LookError of a registry that answered, and said
// that what was asked for isn't there: a manifest, a blob or a repository.
var ErrNotFound = errors.New("not in the registry")

// AsLookError finds the LookError in err's chain. An error without one becomes
// a LookError with reason registry_unreachable, since nothing better is known.
func AsLookError(err error) *LookError {
	if e, ok := errors.AsType[*LookError](err); ok {
		return e
	}
	return &LookError{Reason: ReasonRegistryUnreachable, Message: "The registry could not be read.", Err: err}
}
