package views

import (
	"net/url"

	"signboard/inventory"
	"signboard/views/ui"
)

// ImageURL is the address of an image's page. repository is
// "registry/repository".
func ImageURL(repository string, d inventory.Digest) string { return ui.ImageURL(repository, d) }

// ImagesURL is the address of a list of images; cursor is empty for its first
// page.
func ImagesURL(f inventory.ImageFilter, cursor string) string { return ui.ImagesURL(f, cursor) }

// SignersURL is the address of the signers with a standing; empty means the
// inbox, which is pending.
func SignersURL(standing inventory.Standing, cursor string) string {
	q := url.Values{}
	if standing != "" && standing != inventory.Pending {
		q.Set("standing", string(standing))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return ui.WithQuery("/signers", q)
}

// signersFile is the address to export the signers with a standing from: an address
// without one exports them all.
func signersFile(standing inventory.Standing) string {
	if standing == "" {
		standing = inventory.Pending
	}
	return ui.WithQuery("/signers", url.Values{"standing": {string(standing)}})
}
