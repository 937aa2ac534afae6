//go:build !crash

package main

import "signboard/inventory/syncer"

// tuned leaves the options as they are, except in the program that e2e builds
// with the tag crash.
func tuned(o syncer.Options) syncer.Options { return o }
