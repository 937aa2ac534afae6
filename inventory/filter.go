package inventory

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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
	Team     string        // has images that they signed
	Unusual  bool          // something about them wants a closer look: see Signer.Unusual
	Expiring time.Duration // an approval of theirs ends within it, in whole days; 0 for any
}

// Narrow reports whether the filter asks for more than a standing.
func (f SignerFilter) Narrow() bool {
	f.Standing = ""
	return f != SignerFilter{}
}

// SignerFilterNames are the names that ParseSignerFilter reads.
var SignerFilterNames = []string{"standing", "kind", "team", "unusual", "expiring"}

// maxExpiring is how far ahead the end of an approval is looked for, in days.
const maxExpiring = 3650

// ParseSignerFilter reads the filter of a list of signers from a query, as
// ParseImageFilter does. Only an approval can end: expiring without a standing
// means approved.
func ParseSignerFilter(query url.Values) (SignerFilter, error) {
	f := SignerFilter{Kind: SignerKind(query.Get("kind")), Team: query.Get("team")}
	var err error
	if s := query.Get("standing"); s != "" {
		if f.Standing, err = ParseStanding(s); err != nil {
			return f, err
		}
	}
	if f.Kind != "" && !slices.Contains(SignerKinds, f.Kind) {
		return f, Errorf(Invalid, "%q is not a kind of signer: use key, keyless, x509 or tuf.", Visible(clip(string(f.Kind), 40)))
	}
	switch s := query.Get("unusual"); s {
	case "", "false":
	case "true":
		f.Unusual = true
	default:
		return f, Errorf(Invalid, "unusual is true or false, and not %q.", Visible(clip(s, 40)))
	}
	if s := query.Get("expiring"); s != "" {
		days, err := strconv.Atoi(strings.TrimSuffix(s, "d"))
		if err != nil || !strings.HasSuffix(s, "d") || days < 1 || days > maxExpiring {
			return f, Errorf(Invalid, "%q is not a number of days: write expiring=30d for the approvals that end within 30 days.", Visible(clip(s, 40)))
		}
		if f.Standing != "" && f.Standing != Approved {
			return f, Errorf(Invalid, "Only an approval can end: leave the standing out, or ask for approved.")
		}
		f.Standing, f.Expiring = Approved, time.Duration(days)*24*time.Hour
	}
	return f, nil
}

// Configured refuses the name of a team that isn't among those that are.
func (f SignerFilter) Configured(teams []Team) error {
	return ImageFilter{Team: f.Team}.Configured(teams, nil)
}
