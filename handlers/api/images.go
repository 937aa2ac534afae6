package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// ImageStore is what the calls about images read.
type ImageStore interface {
	Images(ctx context.Context, f inventory.ImageFilter, p inventory.Page, now time.Time) (inventory.ImageList, error)
	Image(ctx context.Context, registry, repository string, d inventory.Digest, now time.Time) (inventory.Image, error)
	FindImages(ctx context.Context, d inventory.Digest) ([]inventory.Image, error)
	Past(ctx context.Context, registry, repository string, d inventory.Digest, at, now time.Time) (inventory.Past, error)
	VerdictChanges(ctx context.Context, registry, repository string, d inventory.Digest, p inventory.Page) ([]inventory.VerdictChange, string, error)
}

// ImageFilter is the filter of a list of images.
type ImageFilter struct {
	Status     string `query:"status" doc:"Images with this status; quarantined is the overlay over any of them."`
	Registry   string `query:"registry" doc:"A registry's name."`
	Repository string `query:"repository" maxLength:"1000" doc:"A pattern over registry/repository, or over the repository's own name: * and ? stay inside one segment, ** is any number of segments." example:"local/team-payments/**"`
	Team       string `query:"team" doc:"A team's name, or - for images that no team's patterns match."`
	Signer     string `query:"signer" maxLength:"4000" doc:"The id of a signer whose verified signature the image carries."`
	Format     string `query:"format" doc:"The format of one of its signatures."`
	Reason     string `query:"reason" doc:"The reason of the status."`
	Tag        string `query:"tag" maxLength:"128" doc:"An exact tag."`
	Q          string `query:"q" maxLength:"1000" doc:"Words of a repository's name, or the beginning of a digest."`
}

func (f ImageFilter) parse() (inventory.ImageFilter, error) {
	return inventory.ParseImageFilter(url.Values{
		"status": {f.Status}, "registry": {f.Registry}, "repository": {f.Repository}, "team": {f.Team}, "signer": {f.Signer},
		"format": {f.Format}, "reason": {f.Reason}, "tag": {f.Tag}, "q": {f.Q},
	})
}

// images adds the calls about images.
func (s *surface) images() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/images", OperationID: "list-images", Tags: []string{"Images"},
		Summary:     "List images",
		Description: "Images in use, the newest first, without their evidence. Filters combine with “and”. A filter, a team or a registry that isn't known is refused rather than ignored.",
	}, s.listImages)
	s.only("/images", "status", append(anys(inventory.Statuses), string(inventory.Quarantined)))
	s.only("/images", "format", anys(inventory.Formats))
	s.only("/images", "reason", anys(inventory.Reasons))
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/images/{digest}", OperationID: "show-image", Tags: []string{"Images"},
		Summary:     "Show an image with all its evidence",
		Description: "One image: its signatures and attestations with every check, and the chain from the image to the root of trust.",
	}, s.showImage, http.StatusNotFound)
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/images/{digest}/history", OperationID: "show-image-history", Tags: []string{"Images"},
		Summary:     "Show what an image was, and why",
		Description: "What the verdict on an image was at a moment and what it rested on, as it was written down then, and the changes of its verdict that are kept, the newest first.",
	}, s.showHistory, http.StatusNotFound)
}

func (s *surface) listImages(ctx context.Context, in *struct {
	ImageFilter
	Paging
}) (*answer[List[Image]], error) {
	filter, err := in.ImageFilter.parse()
	if err != nil {
		return nil, err
	}
	var registries []inventory.Registry
	if filter.Registry != "" {
		if registries, err = s.Registries.Registries(ctx); err != nil {
			return nil, err
		}
	}
	if err := filter.Configured(s.Teams, registries); err != nil {
		return nil, err
	}
	page, err := in.page("images")
	if err != nil {
		return nil, err
	}
	found, err := s.Images.Images(ctx, filter, page, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	left, err := s.Counts.Reevaluation(ctx, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	a := listed("images", found.Images, found.Next, NewListedImage)
	a.Body.Reevaluating = &left.Images
	return a, nil
}

func (s *surface) showImage(ctx context.Context, in *struct {
	Digest     string `path:"digest" maxLength:"200" doc:"The digest of its manifest." example:"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`
	Repository string `query:"repository" maxLength:"1000" doc:"The repository it is in, as registry/repository. It can be left out where only one has the image." example:"local/team-a/api"`
}) (*answer[Image], error) {
	digest, err := inventory.ParseDigest(in.Digest)
	if err != nil {
		return nil, err
	}
	full := in.Repository
	if full == "" {
		if full, err = s.onlyOne(ctx, digest); err != nil {
			return nil, err
		}
	}
	registry, repository, ok := strings.Cut(full, "/")
	if !ok {
		return nil, inventory.Errorf(inventory.Invalid, "%q is not a repository: write registry/repository.", inventory.Visible(clip(full)))
	}
	image, err := s.Images.Image(ctx, registry, repository, digest, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	registries, err := s.Registries.Registries(ctx)
	if err != nil {
		return nil, err
	}
	return &answer[Image]{NewImage(image, address(registries, registry))}, nil
}

// onlyOne is the only repository that has a digest.
func (s *surface) onlyOne(ctx context.Context, d inventory.Digest) (string, error) {
	found, err := s.Images.FindImages(ctx, d)
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", inventory.Errorf(inventory.NotFound, "No image %s is known here.", d.Short())
	case len(found) > 1:
		return "", inventory.Errorf(inventory.Invalid, "%d repositories have this image, %s among them: say which one with repository.", len(found), found[0].FullRepository())
	}
	return found[0].FullRepository(), nil
}

// address is where a registry is, as inventory.Reproduce takes it.
func address(registries []inventory.Registry, name string) string {
	for _, r := range registries {
		if u, err := url.Parse(r.URL); r.Name == name && err == nil && u.Host != "" {
			if u.Scheme == "http" { // tools have to be told
				return "http://" + u.Host
			}
			return u.Host
		}
	}
	return name
}
