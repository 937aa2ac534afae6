package views

import (
	"net/url"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/views/ui"
)

// teamWord is what a person calls a team.
func teamWord(team string) string {
	if team == inventory.NoTeam {
		return "no team"
	}
	return inventory.Visible(team)
}

func scopeStatusURL(of inventory.Scope, s inventory.Status) string {
	return ImagesURL(inventory.ImageFilter{Team: of.Team, Registry: of.Registry, Status: s}, "")
}

// scope is whose images the overview is about.
func (p OverviewPage) scope() inventory.Scope {
	return inventory.Scope{Team: p.Team, Registry: p.Registry}
}

// difference is a change with its sign.
func difference(n int) string {
	switch {
	case n > 0:
		return "+" + ui.Number(n)
	case n < 0:
		return ui.Number(n)
	}
	return "±0"
}

// learnURL is the page of a reason, filled in for an image where there is one.
func learnURL(r inventory.Reason, reference, tag string, d inventory.Digest) string {
	q := url.Values{}
	if reference != "" && d != "" {
		q.Set("image", reference)
		q.Set("digest", string(d))
		if tag != "" {
			q.Set("tag", tag)
		}
	}
	return ui.WithQuery("/learn/"+url.PathEscape(string(r)), q)
}

// fieldWord names a field of the filter.
func fieldWord(name string) string {
	switch name {
	case "q":
		return "Words"
	case "format":
		return "Signature format"
	case "signer":
		return "Signed by"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// fieldValue says the value of a field of the filter.
func fieldValue(p ImagesPage, name, value string) string {
	switch name {
	case "status":
		return ui.StatusWord(inventory.Status(value))
	case "reason":
		return explain(inventory.Reason(value)).title
	case "format":
		return ui.FormatWord(inventory.Format(value))
	case "team":
		return teamWord(value)
	case "signer":
		if p.Signer != nil {
			return ui.ShortName(*p.Signer)
		}
		return ui.ShortName(inventory.Signer{ID: inventory.SignerID(value)})
	}
	return ui.Middle(inventory.Visible(value), 60)
}

// total says how many images are selected.
func total(l inventory.ImageList) string {
	if l.Capped {
		return ui.Number(l.Total) + "+ images"
	}
	return ui.Count(l.Total, "image", "images")
}

// verdictSentence is the verdict as the headline of an image's page.
func verdictSentence(i inventory.Image) string {
	if i.Quarantine != nil {
		return "Held in quarantine: do not run this image."
	}
	switch i.Status {
	case inventory.Trusted:
		return "We trust this image."
	case inventory.Unapproved:
		return "Properly signed, but we have not approved who signed it."
	case inventory.Unverifiable:
		return "Signed, but we can't check by whom."
	case inventory.Failed:
		return "Do not trust this image: its signature fails."
	case inventory.Unsigned:
		return "Nobody signed this image."
	}
	return "We can't say: this image could not be checked."
}

// intact says whether a signature covers exactly the image's bytes: the first
// of the two marks, which says nothing of trust.
func intact(i inventory.Image) (inventory.Result, string) {
	var invalid, other int
	for _, s := range i.Signatures {
		switch s.Outcome {
		case inventory.OutcomeVerified:
			return inventory.Pass, "A signature that holds covers exactly these bytes."
		case inventory.OutcomeInvalid:
			invalid++
		default:
			other++
		}
	}
	switch {
	case i.Status == inventory.Unknown && len(i.Signatures) == 0:
		return inventory.Errored, "It could not be checked whether a signature covers these bytes."
	case invalid > 0 && other == 0:
		return inventory.Fail, "No signature holds for these bytes."
	case other > 0:
		return inventory.Skip, "There is a signature, but it could not be checked."
	}
	return inventory.Skip, "No signature says which bytes its maker meant."
}

// trustMark says whether we trust who signed: the second of the two marks. It
// repeats the verdict and adds nothing to it.
func trustMark(i inventory.Image) (inventory.Result, string) {
	switch i.Status {
	case inventory.Trusted:
		return inventory.Pass, "The signer is approved for this repository."
	case inventory.Unapproved:
		return inventory.Fail, explain(i.Reason).title + "."
	case inventory.Unknown:
		return inventory.Errored, "It could not be checked."
	}
	return inventory.Skip, "There is no proven signer to trust."
}

// nextAction says whose turn it is.
func nextAction(i inventory.Image) string {
	if i.Quarantine != nil {
		return "A reviewer releases it once its reason no longer stands."
	}
	e := explain(i.Reason)
	if i.Status == inventory.Trusted {
		return e.who
	}
	if len(e.fix) == 0 {
		return e.who
	}
	return e.who + " " + e.fix[0]
}

// whoSigned are the signers of signatures that hold, or what others claim to
// be, each once.
func whoSigned(i inventory.Image) (proven, claimed []inventory.Signer) {
	seen := map[inventory.SignerID]bool{}
	for _, s := range i.Signatures {
		if s.Signer != nil && s.Outcome == inventory.OutcomeVerified && !seen[s.Signer.ID] {
			seen[s.Signer.ID] = true
			proven = append(proven, *s.Signer)
		}
	}
	for _, s := range i.Signatures {
		if s.Signer != nil && s.Outcome != inventory.OutcomeVerified && !seen[s.Signer.ID] {
			seen[s.Signer.ID] = true
			claimed = append(claimed, *s.Signer)
		}
	}
	return proven, claimed
}

// claimedInCertificates are the names in certificates that nothing vouches for:
// such a signature has no signer yet.
func claimedInCertificates(i inventory.Image) []string {
	var names []string
	for _, s := range i.Signatures {
		if s.Signer != nil || s.Outcome == inventory.OutcomeVerified {
			continue
		}
		for _, l := range s.Chain {
			if l.Role == inventory.RoleLeaf && l.Name != "" && !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// outOfScope reports whether the signer of a signature is approved, yet not
// for this repository: the verdict would be trusted otherwise.
func outOfScope(i inventory.Image, s inventory.Signature) bool {
	return s.Outcome == inventory.OutcomeVerified && s.Signer != nil &&
		s.Signer.Standing == inventory.Approved && i.Status == inventory.Unapproved
}

// reference is host/repository as a command names it.
func (p ImagePage) reference() string {
	if p.Host == "" {
		return ""
	}
	return p.Host + "/" + p.Image.Repository
}

// learn is the page of a reason, filled in for the image.
func (p ImagePage) learn(r inventory.Reason) string {
	return learnURL(r, p.reference(), firstTag(p.Image.Tags), p.Image.Digest)
}

// reproduce is the command that repeats the check of a signature.
func (p ImagePage) reproduce(s inventory.Signature) string {
	if p.Address == "" {
		return ""
	}
	return inventory.Reproduce(p.Image, s, p.Address)
}

func (p ImagePage) reproduceAttestation(a inventory.Attestation) string {
	if p.Address == "" {
		return ""
	}
	return inventory.ReproduceAttestation(p.Image, a, p.Address)
}

// asOf is the page with each signature as it is now: one that has run out
// holds no longer.
func (p ImagePage) asOf() ImagePage {
	list := make([]inventory.Signature, len(p.Image.Signatures))
	for i, s := range p.Image.Signatures {
		list[i] = s.At(p.Frame.Now)
	}
	p.Image.Signatures = list
	return p
}

// dctAlone reports whether Docker Content Trust alone says who signed an image,
// and what is known of the end of its server.
func dctAlone(i inventory.Image) (closing string, only bool) {
	proven := false
	for _, s := range i.Signatures {
		proven = proven || s.Outcome == inventory.OutcomeVerified
	}
	for _, s := range i.Signatures {
		if proven && s.Outcome != inventory.OutcomeVerified {
			continue
		}
		if s.Format != inventory.FormatDCT {
			return "", false
		}
		only = true
		for _, c := range s.Checks {
			if c.Name == "server_closing" {
				closing = c.Message
			}
		}
	}
	return closing, only
}

func firstTag(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return tags[0]
}

// held are the quarantines that hold the image.
func (p ImagePage) held() []inventory.Quarantine {
	if len(p.Held) == 0 && p.Image.Quarantine != nil {
		return []inventory.Quarantine{*p.Image.Quarantine}
	}
	return p.Held
}

// wide reports whether a pattern holds whole registries.
func wide(g inventory.Glob) bool {
	return strings.HasPrefix(string(g), "*") || strings.Count(string(g), "/") < 2 && strings.HasSuffix(string(g), "/**")
}

// offeredScope is what the form proposes to approve: what was typed, or the
// repositories the signer was seen in.
func (p SignerPage) offeredScope() string {
	if p.Form.Repositories != "" || p.Form.Problem != "" {
		return p.Form.Repositories
	}
	var lines []string
	seen := map[string]bool{}
	for _, i := range p.Images {
		if name := i.FullRepository(); !seen[name] && len(lines) < 20 {
			seen[name] = true
			lines = append(lines, name)
		}
	}
	return strings.Join(lines, "\n")
}

// standingTitle ends "Signers …" on the page of a standing.
func standingTitle(s inventory.Standing) string {
	switch s {
	case inventory.Approved:
		return "approved"
	case inventory.Rejected:
		return "rejected"
	case inventory.Revoked:
		return "revoked"
	case inventory.Expired:
		return "whose approval ran out"
	}
	return "that wait for a decision"
}

// verbWord says a decision in the past.
func verbWord(v inventory.Verb) string {
	switch v {
	case inventory.Approve:
		return "Approved"
	case inventory.Reject:
		return "Rejected"
	case inventory.Revoke:
		return "Revoked"
	}
	return inventory.Visible(string(v))
}

// stateWord says where a decision stands.
func stateWord(s inventory.DecisionState) string {
	switch s {
	case inventory.StateProposed:
		return "waits for a second reviewer"
	case inventory.StateActive:
		return "counts now"
	case inventory.StateRejected:
		return "turned down"
	case inventory.StateRevoked:
		return "ended by a later decision"
	case inventory.StateExpired:
		return "ran out"
	}
	return inventory.Visible(string(s))
}

// selected reports whether a facet's value narrows the list now.
func selected(f inventory.ImageFilter, name, value string) bool {
	for _, field := range ui.FilterFields(f) {
		if field.Name == name {
			return field.Value == value
		}
	}
	return false
}

// facetFilter is where a facet's value leads: to it, or away from it when it is
// chosen already.
func facetFilter(f inventory.ImageFilter, name, value string) inventory.ImageFilter {
	if selected(f, name, value) {
		value = ""
	}
	return ui.SetFilter(f, name, value)
}

// facetWord names a facet's value, by its own label where it has one.
func facetWord(name string, v inventory.Facet) string {
	switch name {
	case "status":
		return ui.StatusWord(inventory.Status(v.Value))
	case "reason":
		return explain(inventory.Reason(v.Value)).title
	case "format":
		return ui.FormatWord(inventory.Format(v.Value))
	case "team":
		return teamWord(v.Value)
	}
	if v.Label != "" {
		return ui.Middle(inventory.Visible(v.Label), 80)
	}
	return ui.Middle(inventory.Visible(v.Value), 80)
}

func firstPage(p ImagesPage) string {
	if p.Cursor == "" {
		return ""
	}
	return ImagesURL(p.Filter, "")
}

func nextPage(p ImagesPage) string {
	if p.List.Next == "" {
		return ""
	}
	return ImagesURL(p.Filter, p.List.Next)
}

// claimedName is what an unproven signature calls its signer; there may be no
// page about it.
func claimedName(s inventory.Signer) string {
	if s.Name != "" {
		return s.Name
	}
	return string(s.ID)
}
