package inventory

import (
	"net/url"
	"slices"
	"strings"
)

// ImageFilterNames are the names that ParseImageFilter reads, as the addresses
// of pages, exports and the API have them.
var ImageFilterNames = []string{"status", "registry", "repository", "team", "signer", "format", "reason", "tag", "q"}

// ParseImageFilter reads the filter of a list of images from a query. Unknown
// values are refused with an Invalid Error rather than ignored: a list that
// silently shows more than was asked for misleads. Names that aren't the
// filter's are for others to read, and of a name that is there twice the first
// value counts.
func ParseImageFilter(query url.Values) (ImageFilter, error) {
	f := ImageFilter{
		Registry: query.Get("registry"), Team: query.Get("team"), Signer: SignerID(query.Get("signer")),
		Format: Format(query.Get("format")), Reason: Reason(query.Get("reason")),
		Tag: query.Get("tag"), Q: strings.TrimSpace(query.Get("q")),
	}
	var err error
	if s := query.Get("status"); s != "" {
		if f.Status, err = ParseStatus(s); err != nil {
			return f, err
		}
	}
	if s := query.Get("repository"); s != "" {
		if f.Repository, err = ParseGlob(s); err != nil {
			return f, err
		}
	}
	if f.Signer != "" && !f.Signer.Valid() {
		return f, Errorf(Invalid, "%q is not the id of a signer.", Visible(clip(string(f.Signer), 80)))
	}
	if f.Reason != "" && !f.Reason.Known() {
		return f, Errorf(Invalid, "%q is not a reason code.", Visible(clip(string(f.Reason), 80)))
	}
	if f.Format != "" && !slices.Contains(Formats, f.Format) {
		return f, Errorf(Invalid, "%q is not a signature format.", Visible(clip(string(f.Format), 80)))
	}
	return f, nil
}

// Configured refuses the name of a team or a registry that isn't among those
// that are. A page shows that nothing matches; to a script an empty list is good
// news, and a misspelt name mustn't be. registries are looked at only where the
// filter names one.
func (f ImageFilter) Configured(teams []Team, registries []Registry) error {
	if f.Team != "" && f.Team != NoTeam && !slices.ContainsFunc(teams, func(t Team) bool { return t.Name == f.Team }) {
		return Errorf(Invalid, "There is no team called %q.", Visible(clip(f.Team, 80)))
	}
	if f.Registry != "" && !slices.ContainsFunc(registries, func(r Registry) bool { return r.Name == f.Registry }) {
		return Errorf(Invalid, "There is no registry called %q.", Visible(clip(f.Registry, 80)))
	}
	return nil
}

// SignerFilter narrows the list of signers; the zero value is every signer.
type SignerFilter struct {
	Standing Standing
	Kind     SignerKind
}

// SignerFilterNames are the names that ParseSignerFilter reads.
var SignerFilterNames = []string{"standing", "kind"}

// ParseSignerFilter reads the filter of a list of signers from a query, as
// ParseImageFilter does.
func ParseSignerFilter(query url.Values) (SignerFilter, error) {
	f := SignerFilter{Kind: SignerKind(query.Get("kind"))}
	var err error
	if s := query.Get("standing"); s != "" {
		if f.Standing, err = ParseStanding(s); err != nil {
			return f, err
		}
	}
	if f.Kind != "" && !slices.Contains(SignerKinds, f.Kind) {
		return f, Errorf(Invalid, "%q is not a kind of signer: use key, keyless, x509 or tuf.", Visible(clip(string(f.Kind), 40)))
	}
	return f, nil
}
