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

// SignersURL is the address of a list of signers; without a standing it is the
// inbox. cursor is empty for its first page.
func SignersURL(f inventory.SignerFilter, cursor string) string {
	q := signersQuery(f)
	if f.Standing == inventory.Pending {
		q.Del("standing")
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return ui.WithQuery("/signers", q)
}

func signersQuery(f inventory.SignerFilter) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"standing": string(f.Standing), "kind": string(f.Kind), "team": f.Team, "expiring": expiringValue(f.Expiring)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Unusual {
		q.Set("unusual", "true")
	}
	return q
}

// signersFile is the address to export a list of signers from: an address without
// a standing exports them all.
func signersFile(f inventory.SignerFilter) string {
	if f.Standing == "" {
		f.Standing = inventory.Pending
	}
	return ui.WithQuery("/signers", signersQuery(f))
}

// OpenFromInbox is the address of a signer's page for who works through the
// inbox: place is the query of the inbox's filter.
func OpenFromInbox(id inventory.SignerID, place string) string {
	return id.Path() + "?" + url.Values{"inbox": {place}}.Encode()
}

// NextURL is the address of the inbox that offers a signer as the next one to
// decide about.
func NextURL(f inventory.SignerFilter, next inventory.SignerID) string {
	q := signersQuery(f)
	q.Del("standing")
	q.Set("next", string(next))
	return ui.WithQuery("/signers", q)
}

// inboxURL is the address of the inbox with the query of its filter.
func inboxURL(place string) string {
	q, err := url.ParseQuery(place)
	if err != nil {
		return "/signers"
	}
	f, err := inventory.ParseSignerFilter(q)
	if err != nil {
		return "/signers"
	}
	return SignersURL(f, "")
}
