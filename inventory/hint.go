package inventory

// Hint says that a repository is worth a look now: an event named it, or a
// person asked. It carries nothing else, since an event proves nothing: what is
// there is read from the registry.
type Hint struct {
	Repository string // without the registry
	// Deleted says that something was taken away. A repository that isn't known
	// needn't be looked at then.
	Deleted bool
}
