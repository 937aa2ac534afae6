package inventory

import "regexp"

// Hint says that a repository is worth a look now: an event named it, or a
// person asked. It carries nothing else, since an event proves nothing: what is
// there is read from the registry.
type Hint struct {
	Repository string // without the registry
	// Deleted says that something was taken away. A repository that isn't known
	// needn't be looked at then.
	Deleted bool
}

// repositoryName is the grammar of names (distribution specification, "Pulling
// manifests").
var repositoryName = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)

// ValidRepository reports whether a registry could be asked for a repository of
// this name: it follows the grammar, and has at most 255 bytes.
func ValidRepository(name string) bool { return len(name) <= 255 && repositoryName.MatchString(name) }
