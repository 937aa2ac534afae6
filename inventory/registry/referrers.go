package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"signboard/inventory"
)

// Referrers lists what refers to a manifest (distribution specification,
// "Listing Referrers"), all pages of it.
//
//   - supported false, no error: the registry hasn't got this API, and says
//     nothing about signatures; the caller reads the referrers tag instead. That
//     is remembered per repository: registries that are fronts for others differ
//     from one repository to the next. See capability for how long, and what that
//     may hide.
//   - supported true, no error: the list is complete, and may be empty. An empty
//     list is no proof either: what was pushed by a client that didn't know of
//     the API is found under the referrers tag only.
//   - an error: it could not be read, or not to the end. The list holds what was
//     read before, which stays true.
//
// The descriptors are the registry's word: nothing in them but the digest may be
// relied on, and that only after the manifest was fetched by it.
func (c *Client) Referrers(ctx context.Context, repository string, digest inventory.Digest) (list []inventory.Descriptor, supported bool, err error) {
	if err := c.checkName(repository, string(digest)); err != nil {
		return nil, false, err
	}
	before := c.referral.of(repository)
	answered := func() {}
	if before == unknown {
		answered = sync.OnceFunc(c.referral.first(ctx, repository))
		defer answered()
		before = c.referral.of(repository)
	}
	if before == unsupported {
		c.spared.Add(1)
		return nil, false, nil
	}
	q := request{
		method: http.MethodGet, url: c.url("/v2/"+repository+"/referrers/"+string(digest), nil), scope: pullScope(repository),
		accept: inventory.MediaTypeOCIIndex, max: c.limits.ManifestBytes, stay: true,
		what: "what refers to " + digest.Short() + " in " + repository,
	}
	known := c.repeats.of(repository, digest)
	if known.etag != "" {
		q.header = http.Header{"If-None-Match": {known.etag}}
	}
	var kept unchanged
	first := true
	seen := map[inventory.Digest]bool{}
	err = c.pages(ctx, q, c.limits.Referrers, func(a answer) (int, error) {
		if first && a.status == http.StatusNotModified && known.etag != "" {
			first, list, kept = false, slices.Clone(known.list), known
			return len(list), nil
		}
		q.header.Del("If-None-Match") // it is about the first page only
		page, kind, err := c.referrersPage(q, a, digest)
		if err != nil {
			return 0, err
		}
		if kind == native {
			answered() // further pages are this image's own
		}
		if kind != native {
			if !first || before == native {
				return 0, look(inventory.ReasonRegistryInconsistent, &statusError{answer: a, to: q},
					"%s answered the referrers API before, and now can't show %s: nothing can be concluded from that.", c.origin.Host, q.what)
			}
			return 0, &absent{remember: kind == unsupported}
		}
		if kept = (unchanged{}); first && len(a.header.Values("Link")) == 0 {
			kept = unchanged{etag: a.header.Get("ETag"), list: page, size: len(a.body)}
		}
		first = false
		for _, d := range page {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				list = append(list, d)
			}
		}
		return len(page), nil
	})
	if gone, ok := err.(*absent); ok {
		if gone.remember {
			c.referral.set(repository, unsupported)
		}
		return nil, false, nil
	}
	if !first {
		c.referral.set(repository, native)
	}
	if err == nil {
		c.repeats.put(repository, digest, kept)
	}
	return list, !first, err
}

// absent ends the reading of pages where there is no referrers API.
type absent struct{ remember bool }

func (*absent) Error() string { return "no referrers API" }

// referrersPage reads one answer of the referrers API, and tells "there is no
// such API here" from "it failed": only the latter is an error.
func (c *Client) referrersPage(q request, a answer, subject inventory.Digest) ([]inventory.Descriptor, support, error) {
	switch a.status {
	case http.StatusOK:
	case http.StatusNotFound:
		for _, code := range []string{"NAME_UNKNOWN", "MANIFEST_UNKNOWN"} {
			if slices.Contains(a.codes(), code) {
				return nil, unknown, nil // may be about this image only
			}
		}
		return nil, unsupported, nil
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusNotImplemented,
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil, unsupported, nil
	default:
		return nil, unknown, c.refusal(q, a)
	}

	kind := mediaType(a.header)
	claims := kind == inventory.MediaTypeOCIIndex
	if !claims && (web(a) || !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{"))) {
		return nil, unsupported, nil
	}
	if digestLike(subject, a.body) == subject {
		return nil, unsupported, nil // the path was taken for that of the image itself
	}
	if !claims && json.Valid(a.body) {
		kind = "" // the document says what it is
	}
	m, err := inventory.ParseManifest(a.body, kind)
	var index struct {
		Manifests json.RawMessage `json:"manifests"`
	}
	if err == nil {
		if err = json.Unmarshal(a.body, &index); err == nil && index.Manifests == nil {
			err = errMissing // which isn't an empty list
		}
	}
	switch {
	case err == nil && m.MediaType == inventory.MediaTypeOCIIndex:
		return m.Manifests, native, nil
	case !claims && json.Valid(a.body):
		return nil, unsupported, nil
	}
	return nil, unknown, look(inventory.ReasonPayloadMalformed, err, "What %s sent for %s is cut off, or not an index.", c.origin.Host, q.what)
}

// support is what is known of the referrers API.
type support int

const (
	unknown support = iota
	native
	unsupported
)
