// Package registry reads one OCI registry: what repositories and tags it has,
// what they point at, and the bytes behind a digest (OCI distribution
// specification, "Pull", "Content Discovery" and "Listing Referrers").
//
// A registry is untrusted input. Authentication is go-containerregistry's; what
// it runs over is ours: every address is checked when it is dialled, credentials
// stay with the hosts they belong to, and every answer has a deadline, a size, a
// number of pages and of entries at which reading stops. Content asked for by
// digest is compared with it.
//
// The package finds and fetches; it knows no signature format, follows no
// companion or fallback tag of its own accord, stores nothing, writes nothing to
// a registry, and trusts nobody.
//
// Every error carries an inventory.LookError; what the registry says isn't there
// is found with errors.Is(err, inventory.ErrNotFound).
package registry
