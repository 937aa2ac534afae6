package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views"
)

// ImageStore is what the pages about images read.
type ImageStore interface {
	Images(ctx context.Context, f inventory.ImageFilter, p inventory.Page, now time.Time) (inventory.ImageList, error)
	Facets(ctx context.Context, now time.Time) (inventory.Facets, error)
	Image(ctx context.Context, registry, repository string, d inventory.Digest, now time.Time) (inventory.Image, error)
	FindImages(ctx context.Context, d inventory.Digest) ([]inventory.Image, error)
	Past(ctx context.Context, registry, repository string, d inventory.Digest, at, now time.Time) (inventory.Past, error)
}

// Image is the pages about images.
type Image struct {
	Pages
	Store   ImageStore
	Signers SignerStore
}

// List is GET /images.
func (i Image) List(w http.ResponseWriter, r *http.Request) error {
	frame, registries, err := i.frame(r, "Images")
	if err != nil {
		return err
	}
	p := views.ImagesPage{Frame: frame, Registries: len(registries), Cursor: r.FormValue("cursor")}
	if p.Facets, err = i.Store.Facets(r.Context(), frame.Now); err != nil {
		return err
	}
	code := http.StatusOK
	if p.Filter, err = inventory.ParseImageFilter(r.Form); err == nil {
		p.List, err = i.Store.Images(r.Context(), p.Filter, page(r), frame.Now)
	}
	if e, ok := asError(err); ok && e.Kind == inventory.Invalid {
		p.Problem, code, err = e.Message, http.StatusUnprocessableEntity, nil
	}
	if err != nil {
		return err
	}
	if p.Filter.Signer != "" {
		s, err := i.Signers.Signer(r.Context(), p.Filter.Signer, frame.Now)
		if err == nil {
			p.Signer = &s
		} else if inventory.KindOf(err) != inventory.NotFound {
			return err
		}
	}
	return show(w, r, code, p)
}

// Show is GET /images/{digest}?repository=registry/repository.
func (i Image) Show(w http.ResponseWriter, r *http.Request) error {
	digest, err := inventory.ParseDigest(param(r, "digest"))
	if err != nil {
		return err
	}
	if r.FormValue("repository") == "" {
		return i.find(w, r, digest)
	}
	p, err := i.page(r, digest, r.FormValue("repository"))
	if err != nil {
		return err
	}
	code := http.StatusOK
	if p.PastAsked = r.FormValue("at"); p.PastAsked != "" {
		if code, err = i.past(r, &p); err != nil {
			return err
		}
	}
	return show(w, r, code, p)
}

// past answers what the image was at a moment.
func (i Image) past(r *http.Request, p *views.ImagePage) (int, error) {
	at, err := inventory.ParsePast(p.PastAsked, p.Frame.Now)
	if e, ok := asError(err); ok && e.Kind == inventory.Invalid {
		p.PastProblem = e.Message
		return http.StatusUnprocessableEntity, nil
	}
	was, err := i.Store.Past(r.Context(), p.Image.Registry, p.Image.Repository, p.Image.Digest, at, p.Frame.Now)
	p.Past = &was
	return http.StatusOK, err
}

// find goes to the only repository that has a digest, or to the list of them.
func (i Image) find(w http.ResponseWriter, r *http.Request, d inventory.Digest) error {
	found, err := i.Store.FindImages(r.Context(), d)
	if err != nil {
		return err
	}
	switch len(found) {
	case 0:
		return inventory.Errorf(inventory.NotFound, "No image %s is known here.", d.Short())
	case 1:
		http.Redirect(w, r, views.ImageURL(found[0].FullRepository(), d), http.StatusSeeOther)
	default:
		http.Redirect(w, r, views.ImagesURL(inventory.ImageFilter{Q: string(d)}, ""), http.StatusSeeOther)
	}
	return nil
}

// image is the image of a repository, given as "registry/repository".
func (i Image) image(ctx context.Context, d inventory.Digest, full string) (inventory.Image, error) {
	registry, repository, ok := strings.Cut(full, "/")
	if !ok {
		return inventory.Image{}, inventory.Errorf(inventory.Invalid, "%q is not a repository: write registry/repository.", inventory.Visible(clip(full)))
	}
	return i.Store.Image(ctx, registry, repository, d, i.Clock().UTC())
}

// page is an image's page.
func (i Image) page(r *http.Request, d inventory.Digest, full string) (views.ImagePage, error) {
	image, err := i.image(r.Context(), d, full)
	if err != nil {
		return views.ImagePage{}, err
	}
	frame, registries, err := i.frame(r, "")
	if err != nil {
		return views.ImagePage{}, err
	}
	frame.Title = image.Repository + "@" + d.Short()
	if len(image.Tags) > 0 {
		frame.Title = image.Repository + ":" + image.Tags[0]
	}
	p := views.ImagePage{Frame: frame, Image: image, Host: host(registries, image.Registry)}
	p.Address = address(registries, image.Registry)
	return p, nil
}

// address is where a registry is, as inventory.Reproduce takes it.
func address(registries []inventory.Registry, name string) string {
	if plain(registries, name) {
		return "http://" + host(registries, name)
	}
	return host(registries, name)
}

// plain reports whether a registry speaks HTTP: tools have to be told.
func plain(registries []inventory.Registry, name string) bool {
	return slices.ContainsFunc(registries, func(r inventory.Registry) bool {
		return r.Name == name && strings.HasPrefix(r.URL, "http://")
	})
}

// host is where a registry lives, host[:port].
func host(registries []inventory.Registry, name string) string {
	for _, registry := range registries {
		if registry.Name == name {
			if u, err := url.Parse(registry.URL); err == nil && u.Host != "" {
				return u.Host
			}
			return registry.URL
		}
	}
	return name
}

func asError(err error) (*inventory.Error, bool) { return errors.AsType[*inventory.Error](err) }
