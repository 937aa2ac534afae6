package inventory

import "time"

// TrustRoot is one configured root of trust besides registered keys, as it is
// shown: what it vouches for, and how old what is known of it is.
type TrustRoot struct {
	Kind   string // sigstore, notation or notary: the sections of the configuration
	Name   string // as configured
	Source string // where it comes from, for a person: the file, the TUF repository, the server
	Facts  []Fact // what is in it: certificate authorities, logs, certificates, validity
	// ObtainedAt is when it was last fetched and found good; nil for a file, and
	// for one that was never obtained.
	ObtainedAt *time.Time
	// Stale is set when it should be newer than it is, or isn't there at all;
	// Failure says why, as far as that is known.
	Stale   bool
	Failure *LookError
}
