package inventory

// Rotation is how far the fleet has moved over from one signer to the one that
// was approved in its place.
type Rotation struct {
	Decision Decision // that says so
	Old, New Signer   // by id, name and standing

	// Images in use that either of them signed, and how many of these the new one
	// did. The rest carry the old one's signature alone.
	Images, Moved int
	// Repositories with such images, and how many of them have one of the new one.
	Repositories, MovedRepositories int
	Left                            []string // some of those that have none, in order of their names
}

// Done reports whether nothing in use carries the old one's signature alone.
func (r Rotation) Done() bool { return r.Moved >= r.Images }
