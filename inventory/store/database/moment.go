//go:build !crash

package database

// moment names a moment of a transaction: begun, committing or committed. It
// does nothing, except in the program that e2e builds with the tag crash and
// has killed at such moments.
func moment(string) {}
