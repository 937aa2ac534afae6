package views

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"signboard/inventory"
	"signboard/views/ui"
)

// What a registry, a certificate or a person may say, at its worst.
const (
	markup   = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&`
	bidi     = "team-a/\u202egnp.exe\u2069/api"
	rtl      = "فريق-الدفع/خدمة"
	lookalik = "https://example.com/аcme/build" // the first letter of acme is Cyrillic
)

var (
	now      = time.Date(2026, 3, 18, 14, 30, 0, 0, time.UTC)
	huge     = strings.Repeat("https://ci.example/team/", 400) + "release.yml@refs/heads/main"
	reviewer = inventory.Actor{Kind: inventory.UserActor, Name: "Sam Lindqvist", Subject: "i|sam", Role: inventory.Reviewer}
	viewer   = inventory.Actor{Kind: inventory.UserActor, Name: "Maya Okafor", Subject: "i|maya", Role: inventory.Viewer}
)

func ago(d time.Duration) *time.Time { t := now.Add(-d); return &t }

func digest(n int) inventory.Digest { return inventory.DigestOf(fmt.Appendf(nil, "image %d", n)) }

func frame(title, path string) Frame {
	return Frame{
		Title: title, Path: path, Now: now, Actor: reviewer, SignOutURL: "/auth/logout", Demo: true,
		LastSync: ago(4 * time.Minute), Inbox: 3, Version: "0.1.0",
	}
}

// accountPage is that of somebody whose role comes from a group.
func accountPage(group string) AccountPage {
	f := frame("Your account", "/account")
	f.Actor.Groups = []string{group, "staff"}
	session := func(id, agent, address string, seen time.Duration) inventory.Session {
		return inventory.Session{ID: id, Subject: "https://login.example.com|00u1", Agent: agent, Address: address, CreatedAt: *ago(seen + time.Hour), LastSeenAt: *ago(seen)}
	}
	a := inventory.Account{Issuer: "https://login.example.com", By: group, Sessions: []inventory.Session{
		session("a", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "192.0.2.17", time.Minute),
		session("b", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "2001:db8:1:2:3:4:5:6", 3*time.Hour),
		session("c", markup+bidi, "", 5*time.Hour),
	}}
	a.This = a.Sessions[0]
	return AccountPage{Frame: f, Account: a, Teams: []string{"payments", markup}}
}

func key(n int, name string, standing inventory.Standing) inventory.Signer {
	return inventory.Signer{
		ID: inventory.KeyID(digest(1000 + n)), Kind: inventory.KeySigner, Name: name, Standing: standing,
		Facts:     []inventory.Fact{{Name: "Algorithm", Value: "ECDSA P-256"}, {Name: "Fingerprint", Value: string(digest(1000 + n))}},
		FirstSeen: ago(40 * 24 * time.Hour), LastSeen: ago(3 * time.Hour), Images: 14, Waiting: 3, Revision: 2,
	}
}

func keyless() inventory.Signer {
	san := "https://github.com/acme/storefront/.github/workflows/release.yml@refs/heads/main"
	issuer := "https://token.actions.githubusercontent.com"
	return inventory.Signer{
		ID: inventory.KeylessID(issuer, san), Kind: inventory.KeylessSigner, Name: san, Standing: inventory.Pending,
		Facts:     []inventory.Fact{{Name: "Issuer", Value: issuer}, {Name: "Workflow", Value: san}, {Name: "Source repository", Value: "https://github.com/acme/storefront"}},
		FirstSeen: ago(9 * 24 * time.Hour), LastSeen: ago(2 * time.Hour), Images: 6, Waiting: 6,
	}
}

func nasty() inventory.Signer {
	return inventory.Signer{
		ID: inventory.KeylessID(markup+"\n"+lookalik, huge), Kind: inventory.KeylessSigner, Name: huge + lookalik, Standing: inventory.Rejected,
		Facts:     []inventory.Fact{{Name: markup, Value: huge}, {Name: "Subject", Value: bidi}, {Name: "Name", Value: rtl}},
		FirstSeen: ago(time.Hour), LastSeen: ago(time.Minute), Images: 1, Waiting: 1,
		Decisions: []inventory.Decision{{ID: "1", Verb: inventory.Reject, Reason: markup + bidi, State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: markup, At: now}}, Revision: 1}},
	}
}

func images40() []inventory.Image {
	release := key(1, "payments release key", inventory.Approved)
	release.Facts = nil
	list := []inventory.Image{
		{Repository: "team-payments/api", Tags: []string{"v2.4.1", "stable"}, Status: inventory.Trusted, Reason: inventory.ReasonOK, Message: "Signed by payments release key, who is approved for this repository.", Signers: []inventory.Signer{release}},
		{Repository: "team-payments/ledger", Tags: []string{"v1.9.0"}, Status: inventory.Trusted, Reason: inventory.ReasonOK, Message: "Signed by payments release key.", Signers: []inventory.Signer{release, key(2, "platform base key", inventory.Approved)}, Quarantine: &inventory.Quarantine{ID: "q1"}},
		{Repository: "team-storefront/web", Tags: []string{"2026.3.17", "latest", "edge", "canary"}, Status: inventory.Unapproved, Reason: inventory.ReasonSignerNotApproved, Message: "The signature holds, but nobody has approved this signer yet.", Signers: []inventory.Signer{keyless()}},
		{Repository: "team-data/etl", Tags: []string{"nightly"}, Status: inventory.Unverifiable, Reason: inventory.ReasonKeyUnknown, Message: "Signed with a key nobody registered."},
		{Repository: "team-data/notebook", Tags: []string{"v0.3"}, Status: inventory.Failed, Reason: inventory.ReasonDigestMismatch, Message: "The signature is for another image."},
		{Repository: "team-platform/ingress", Tags: []string{"v5"}, Status: inventory.Unsigned, Reason: inventory.ReasonNoSignature, Message: "Every place a signature could be was read, and there is none."},
		{Repository: "team-platform/cache", Tags: []string{"v7.2"}, Status: inventory.Unknown, Reason: inventory.ReasonRegistryUnreachable, Message: "This could not be checked: the registry did not answer.", Stale: true, LastGood: &inventory.LastGood{Status: inventory.Trusted, CheckedAt: *ago(30 * time.Hour)}},
		{Repository: bidi, Tags: []string{markup, rtl}, Status: inventory.Unapproved, Reason: inventory.ReasonSignerRejected, Message: markup, Signers: []inventory.Signer{nasty()}},
		{Repository: rtl, Tags: nil, Status: "made-up", Reason: "made_up", Message: huge},
	}
	for i := range list {
		list[i].ID, list[i].Registry, list[i].Digest, list[i].CheckedAt = int64(i), "local", digest(i), ago(time.Duration(i*7+1)*time.Minute)
		list[i].FirstSeen, list[i].LastSeen = *ago(30 * 24 * time.Hour), *ago(time.Minute)
		list[i].MediaType, list[i].Kind = inventory.MediaTypeOCIManifest, inventory.SingleImage
	}
	list[8].CheckedAt = nil
	return list
}

func counts(n ...int) inventory.Counts {
	c := inventory.Counts{ByStatus: map[inventory.Status]int{}, Quarantined: 2, Stale: 1}
	for i, s := range inventory.Statuses {
		if i < len(n) {
			c.ByStatus[s] = n[i]
			c.Images += n[i]
		}
	}
	return c
}

func quarantines() []inventory.Quarantine {
	return []inventory.Quarantine{
		{ID: "q1", Digest: digest(1), Reason: "Ships a library with a known remote flaw; wait for 1.9.1.", By: "Sam Lindqvist", At: *ago(26 * time.Hour), Images: 1},
		{ID: "q2", Repository: "local/team-data/notebook", Tag: "v0.3", Reason: markup + bidi, By: markup, At: *ago(2 * time.Hour), ExpiresAt: ago(-72 * time.Hour), Images: 2},
	}
}

func days() []inventory.Day {
	var list []inventory.Day
	for i := range 14 {
		list = append(list, inventory.Day{Date: now.AddDate(0, 0, i-13).Format(time.DateOnly), Counts: counts(14+i*2/3, 8-i/4, 3, 2, 9-i/3, 3)})
	}
	return list
}

func facets() inventory.Facets {
	f := inventory.Facets{
		Registry: []inventory.Facet{{Value: "local", Count: 39}, {Value: markup, Count: 2}},
		Team:     []inventory.Facet{{Value: "payments", Count: 14}, {Value: "storefront", Count: 9}, {Value: inventory.NoTeam, Count: 5}},
		Signer:   []inventory.Facet{{Value: string(key(1, "", "").ID), Label: "payments release key", Count: 14}, {Value: string(nasty().ID), Label: huge, Count: 1}},
		Format:   []inventory.Facet{{Value: string(inventory.FormatSimpleSigning), Count: 20}, {Value: string(inventory.FormatBundle), Count: 11}},
		Reason:   []inventory.Facet{{Value: "ok", Count: 24}, {Value: "no_signature", Count: 6}, {Value: "signer_not_approved", Count: 5}},
	}
	for i, s := range inventory.Statuses {
		f.Status = append(f.Status, inventory.Facet{Value: string(s), Count: 24 - 4*i})
	}
	f.Status = append(f.Status, inventory.Facet{Value: string(inventory.Quarantined), Count: 2})
	return f
}

// signature is evidence with every role and every result in it.
func signature(outcome inventory.Outcome, signer *inventory.Signer) inventory.Signature {
	s := inventory.Signature{
		Format: inventory.FormatSimpleSigning, Manifest: digest(300), Outcome: outcome, Reason: inventory.ReasonOK,
		Message: "Every check passed.", SignedAt: ago(50 * time.Hour), SignedAtSource: inventory.SignedAtTlog, Signer: signer,
		Checks: []inventory.Check{
			{Name: "payload_digest", Result: inventory.Pass, Message: "The payload names this image's digest."},
			{Name: "payload_type", Result: inventory.Pass, Message: "The payload is a cosign container image signature."},
			{Name: "docker_reference", Result: inventory.Skip, Message: "The payload names another repository; that is shown, and doesn't count."},
			{Name: "signature", Result: inventory.Pass, Message: "The signature was made by this key over these bytes."},
			{Name: "log_entry", Result: inventory.Pass, Message: "The public log vouches for the entry."},
			{Name: "something_unclaimed", Result: inventory.Pass, Message: "A check that no link names is shown at the signature."},
		},
		Chain: []inventory.Link{
			{Role: inventory.RoleImage, Name: string(digest(0)), Fingerprint: string(digest(0)), Checks: []string{"payload_digest"}},
			{Role: inventory.RoleStatement, Name: "cosign container image signature", Checks: []string{"payload_type", "docker_reference"}, Facts: []inventory.Fact{{Name: "Repository", Value: "127.0.0.1:5000/team-payments/api"}}},
			{Role: inventory.RoleSignature, Name: "ECDSA P-256 with SHA-256", Checks: []string{"signature"}},
			{Role: inventory.RoleTlog, Name: "log index 128734", Checks: []string{"log_entry"}, Facts: []inventory.Fact{{Name: "Logged at", Value: "2026-03-16 12:30:00 UTC"}}},
			{Role: inventory.RoleTimestamp, Name: "no timestamp", Checks: nil},
			{Role: inventory.RoleKey, Name: "payments release key", Fingerprint: string(digest(1001)), Facts: []inventory.Fact{{Name: "Algorithm", Value: "ECDSA P-256"}}},
		},
	}
	return s
}

func failing() inventory.Signature {
	s := signature(inventory.OutcomeInvalid, nil)
	signer := nasty()
	s.Signer, s.Reason, s.Format = &signer, inventory.ReasonDigestMismatch, inventory.FormatBundle
	s.Message, s.SignedAt = "The payload names another image: it was copied.", nil
	s.Checks[0].Result, s.Checks[0].Message = inventory.Fail, "The payload names sha256:4f3a, this image is another. "+markup
	s.Checks[3].Result, s.Checks[4].Result = inventory.Errored, inventory.Skip
	s.Chain = append(s.Chain[:5:5], inventory.Link{Role: inventory.RoleLeaf, Name: huge, Issuer: bidi, NotBefore: ago(60 * time.Hour), NotAfter: ago(59 * time.Hour)},
		inventory.Link{Role: inventory.RoleIntermediate, Name: markup}, inventory.Link{Role: inventory.RoleRoot, Name: rtl})
	return s
}

func trustedImage() inventory.Image {
	i := images40()[0]
	signer, other := key(1, "payments release key", inventory.Approved), key(3, "old build key", inventory.Revoked)
	second := signature(inventory.OutcomeVerified, &other)
	second.Format = inventory.FormatBundle
	i.Signatures = []inventory.Signature{signature(inventory.OutcomeVerified, &signer), second}
	i.Kind, i.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
	i.Teams = []string{"payments"}
	i.Platforms = []inventory.Platform{{Platform: "linux/amd64", Digest: digest(51), Status: inventory.Trusted, Inherited: true}, {Platform: "linux/arm64/v8", Digest: digest(52), Status: inventory.Unsigned}}
	i.Attestations = attestationList()
	i.Notes = []string{"A referrer that belongs to another image was left out: " + string(digest(90)) + "."}
	release := inventory.NamedSigner{ID: signer.ID, Name: signer.Name}
	i.FirstSeen = *ago(48 * time.Hour)
	i.History = []inventory.VerdictChange{
		{At: *ago(40 * time.Hour), From: inventory.Unapproved, To: inventory.Trusted, Reason: inventory.ReasonOK, Message: "Signed by payments release key, who is approved for this repository.",
			Cause: inventory.Cause{Kind: inventory.CauseDecision, Decision: &inventory.CauseDecided{ID: "d1", Verb: inventory.Approve, By: []string{"Dana Reyes", "Eric Voss"}, Signer: release}}},
		{At: *ago(48 * time.Hour), From: inventory.Unknown, To: inventory.Unapproved, Reason: inventory.ReasonSignerNotApproved, Message: "Nobody had approved the signer yet.",
			Cause: inventory.Cause{Kind: inventory.CauseFirstLook, Signatures: 1, Attestations: 2}},
	}
	i.Events = []inventory.ImageEvent{
		{At: *ago(20 * time.Hour), Count: 1, Trace: &inventory.Trace{Format: inventory.FormatBundle, Signer: &inventory.NamedSigner{ID: other.ID, Name: other.Name}}},
		{At: *ago(30 * time.Hour), Vanished: true, Count: 1, Trace: &inventory.Trace{PredicateType: "https://spdx.dev/Document", Signer: &release}},
	}
	i.TagMoves = []inventory.TagMove{{Tag: "stable", From: digest(70), To: i.Digest, At: *ago(20 * time.Hour)}, {Tag: "v2.4.1", To: i.Digest, At: *ago(48 * time.Hour)}}
	i.Elsewhere = []inventory.Place{{Registry: "mirror", Repository: "payments/api", Status: inventory.Unapproved}}
	i.Parents = []inventory.Parent{{Digest: digest(71), Tags: []string{"v2"}, Status: inventory.Trusted}}
	return i
}

// strippedImage was trusted until its signature was removed, and isn't in use
// any more.
func strippedImage() inventory.Image {
	i := images40()[5]
	i.Status, i.Reason, i.Message = inventory.Unsigned, inventory.ReasonNoSignature, "Every place a signature could be was read, and there is none."
	i.Signatures, i.Attestations, i.Quarantine, i.LastGood, i.Tags = nil, nil, nil, nil, nil
	i.FirstSeen, i.GoneAt = *ago(500 * time.Hour), ago(2*time.Hour)
	signer := key(1, "payments release key", inventory.Approved)
	gone := inventory.Trace{Format: inventory.FormatSimpleSigning, Signer: &inventory.NamedSigner{ID: signer.ID, Name: signer.Name}}
	i.History = []inventory.VerdictChange{
		{At: *ago(5 * time.Hour), From: inventory.Trusted, To: inventory.Unsigned, Reason: inventory.ReasonNoSignature, Message: i.Message, Flagged: true,
			Cause: inventory.Cause{Kind: inventory.CauseSignatures, Vanished: []inventory.Trace{gone}, NVanished: 2}},
		{At: *ago(100 * time.Hour), From: inventory.Unknown, To: inventory.Trusted, Reason: inventory.ReasonOK, Message: "Signed by payments release key.", Cause: inventory.Cause{Kind: inventory.CauseRecovery}},
		{At: *ago(101 * time.Hour), From: inventory.Trusted, To: inventory.Unknown, Reason: inventory.ReasonRegistryUnreachable, Message: "The registry did not answer.", Cause: inventory.Cause{Kind: inventory.CauseFailure}},
		{At: *ago(200 * time.Hour), From: inventory.Unverifiable, To: inventory.Trusted, Reason: inventory.ReasonOK, Message: "Signed by payments release key.", Cause: inventory.Cause{Kind: inventory.CauseTrust, Gained: []inventory.NamedSigner{*gone.Signer}}},
	}
	for n := range 30 {
		i.History = append(i.History, inventory.VerdictChange{At: *ago(time.Duration(300+n) * time.Hour), From: inventory.Unknown, To: inventory.Unverifiable, Reason: inventory.ReasonKeyUnknown, Message: "The key isn't known here."})
	}
	i.Events = []inventory.ImageEvent{{At: *ago(5 * time.Hour), Vanished: true, Count: 1, Trace: &gone}, {At: *ago(5 * time.Hour), Vanished: true, Count: 1}}
	i.TagMoves = []inventory.TagMove{{Tag: "v1", From: i.Digest, At: *ago(2 * time.Hour)}}
	return i
}

func heldImage() inventory.Image {
	i := images40()[7]
	signer := nasty()
	i.Signatures = []inventory.Signature{failing(), signature(inventory.OutcomeVerified, &signer)}
	q := quarantines()[1]
	i.Quarantine = &q
	i.History = []inventory.VerdictChange{{At: now, From: inventory.Unknown, To: inventory.Unapproved, Message: markup}}
	i.TagMoves = []inventory.TagMove{{Tag: markup, From: digest(7), To: "", At: now}}
	i.Events = []inventory.ImageEvent{
		{At: now, Count: 1, Trace: &inventory.Trace{Format: inventory.Format(markup), Signer: &inventory.NamedSigner{ID: signer.ID, Name: huge}}},
		{At: now, Vanished: true, Count: 1, Trace: &inventory.Trace{PredicateType: bidi, Signer: &inventory.NamedSigner{ID: inventory.SignerID(markup), Name: markup}}},
	}
	i.RepositoryGoneAt = &now
	i.Attestations = []inventory.Attestation{{PredicateType: markup, Outcome: "made-up", Message: bidi, Signer: &signer}}
	return i
}

func registryList() []inventory.Registry {
	return []inventory.Registry{
		{Name: "local", URL: "http://127.0.0.1:5000", Interval: 15 * time.Minute, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"},
			State: inventory.RegistryState{RepositoryCount: 17, ImageCount: 41, NextDueAt: now.Add(11 * time.Minute), LastCompleteAt: ago(4 * time.Minute), SyncStartedAt: ago(3 * time.Second),
				Progress: inventory.Progress{Registry: "local", Repository: "team-payments/api", Done: 23, Known: 41, Failed: 1, Verified: 19, Traffic: inventory.Traffic{Requests: 120}}}},
		{Name: "mirror", URL: "https://mirror.example", Interval: time.Hour, Repositories: []inventory.Glob{"payments/**", "base/*"}, Tags: []inventory.Glob{"v*"},
			State: inventory.RegistryState{RepositoryCount: 4, ImageCount: 12, NextDueAt: now.Add(2 * time.Minute), LastCompleteAt: ago(30 * time.Hour),
				Failing: &inventory.Failure{Reason: inventory.ReasonRegistryUnreachable, Message: "mirror.example did not answer within 10 seconds.", Since: *ago(29 * time.Hour), At: *ago(5 * time.Minute)}}},
		{Name: markup, URL: huge, State: inventory.RegistryState{FailingRepos: 3, LastCompleteAt: ago(time.Hour)}},
	}
}

func overviewPage() OverviewPage {
	registries := registryList()
	return OverviewPage{
		Frame: frame("Overview", "/"), Registries: 3, Counts: counts(24, 5, 3, 2, 5, 2), WeekAgo: &days()[6],
		Attention: []Attention{
			ImagesNeed(inventory.Failed, 2, inventory.Scope{}), RegistryFailing(registries[1]), SignaturesRemoved(lostSignatures()), RootStale(roots()[1]), SignersWaiting(3, 5),
			ImagesNeed(inventory.Unverifiable, 3, inventory.Scope{}), ApprovalsExpiring([]inventory.Expiring{{Signer: key(1, "payments release key", inventory.Approved), Decision: inventory.Decision{ID: "1", ExpiresAt: ago(-100 * time.Hour)}, Trusted: 14}}, inventory.ExpiringNext, now), ImagesNeed(inventory.Unsigned, 5, inventory.Scope{}),
		},
		Teams: []inventory.TeamCounts{{Team: "payments", Counts: counts(11, 1, 0, 0, 1, 1)}, {Team: "platform", Counts: counts(7, 1, 1, 0, 2, 1)}, {Team: "storefront", Counts: counts(4, 3, 0, 1, 0)}, {Team: inventory.NoTeam, Counts: counts(2, 0, 2, 1, 2)}},
		Days:  days(), Quarantines: quarantines(), Failing: registries[1:2], Names: []string{"local", "mirror"},
	}
}

func lostSignatures() []inventory.LostSignature {
	return []inventory.LostSignature{{Registry: "local", Repository: "team-payments/api", Digest: digest(1), Tags: []string{"v1"}, Status: inventory.Unsigned, At: *ago(time.Hour)}}
}

func holdImpactSample() *inventory.HoldImpact {
	other := quarantines()[1]
	return &inventory.HoldImpact{
		Digests: 60, Holds: []inventory.Hold{
			{Digest: digest(1), Because: inventory.HeldByTag, Since: now}, {Digest: digest(2), Because: inventory.HeldAsPlatform, Of: digest(1), Platform: "linux/arm64/v8", Since: now},
			{Digest: digest(3), Because: inventory.HeldForPlatform, Of: digest(2), Platform: markup, Since: now},
		},
		Counts: inventory.Counts{Images: 12, ByStatus: map[inventory.Status]int{inventory.Trusted: 7, inventory.Unsigned: 5}, Quarantined: 2},
		Free:   inventory.Counts{Images: 10, ByStatus: map[inventory.Status]int{inventory.Trusted: 6, inventory.Unsigned: 4}}, Others: []inventory.Quarantine{other},
		Teams: []inventory.NamedCount{{Name: "payments", Images: 9}, {Name: inventory.NoTeam, Images: 3}}, Registries: []inventory.NamedCount{{Name: "local", Images: 12}},
		Repositories: []inventory.NamedCount{{Name: "local/" + markup, Images: 2}, {Name: "local/" + bidi, Images: 1}}, RepositoryCount: 9,
		Tags: []string{"local/team-payments/api:v1", "local/x:" + markup}, TagCount: 14, Examples: images40()[:3],
	}
}

func signerPage(s inventory.Signer) SignerPage {
	return SignerPage{Frame: frame(s.Name, s.ID.Path()), Signer: s, Images: images40()[:3], Teams: []string{"payments", inventory.NoTeam}, Approvers: 2}
}

type sample struct {
	name string
	page templ.Component
}

// samples is every page in every designed state.
func samples() []sample {
	full := overviewPage()
	calm := OverviewPage{Frame: frame("Overview", "/"), Registries: 1, Counts: counts(530)}
	calm.Frame.Demo, calm.Frame.Actor = false, viewer
	fresh := OverviewPage{Frame: frame("Overview", "/"), Registries: 1}
	fresh.Frame.LastSync = nil

	filter := inventory.ImageFilter{Status: inventory.Unapproved, Q: markup, Team: "payments", Signer: nasty().ID, Repository: "local/**", Tag: "v1", Registry: rtl, Format: inventory.FormatBundle, Reason: inventory.ReasonOutOfScope}
	list := ImagesPage{Frame: frame("Images", "/images"), Registries: 1, List: inventory.ImageList{Images: images40(), Next: "c2", Total: 41}, Facets: facets()}
	narrowed := list
	narrowed.Filter, narrowed.List.Total, narrowed.List.Capped, narrowed.Cursor = filter, 1000, true, "c1"
	narrowed.Frame.Path = ImagesURL(filter, "c1")
	none := ImagesPage{Frame: frame("Images", "/images?q=x"), Registries: 1, Filter: filter, Problem: "“purple” is not a status."}
	nothing := ImagesPage{Frame: frame("Images", "/images?q=x"), Registries: 1, Filter: inventory.ImageFilter{Q: "nothing"}, Facets: facets()}

	image := func(i inventory.Image) ImagePage {
		return ImagePage{Frame: frame(i.FullRepository(), ImageURL(i.FullRepository(), i.Digest)), Image: i, Host: "127.0.0.1:5000", Address: "http://127.0.0.1:5000"}
	}
	noRoot, notation, over, dct, chart := images40()[3], images40()[0], images40()[4], images40()[0], images40()[2]
	noRoot.Signatures, noRoot.Reason, noRoot.Message = []inventory.Signature{unknownRoot()}, inventory.ReasonRootUnknown, unknownRoot().Message
	notation.Signatures = []inventory.Signature{notationSignature(company(inventory.Approved))}
	over.Signatures = []inventory.Signature{notationSignature(company(inventory.Approved))}
	over.Signatures[0].Expires.At, over.Reason, over.Message = now.Add(-time.Hour), inventory.ReasonSignatureExpired, "The signature ran out."
	dct.Repository, dct.Signatures = "team-platform/base", []inventory.Signature{dctSignature()}
	chart.Kind, chart.Repository, chart.MediaType = inventory.Artifact, "charts/storefront", "application/vnd.cncf.helm.config.v1+json"
	chart.Signatures = []inventory.Signature{keylessSignature(keyless())}
	unsigned, unknown, unapproved, invalid := image(images40()[5]), image(images40()[6]), images40()[2], images40()[4]
	kl, known := keyless(), key(9, "etl key", inventory.Pending)
	unapproved.Signatures = []inventory.Signature{keylessSignature(kl)}
	unapproved.Attestations = attestationList()[:1]
	invalid.Signatures = []inventory.Signature{failing()}
	unverifiable := images40()[3]
	unverifiable.Signatures = []inventory.Signature{{Format: inventory.FormatSimpleSigning, Manifest: digest(9), Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonKeyUnknown, Message: "Signed with a key nobody registered.", Signer: &known}}
	refused := image(heldImage())
	refused.Image.Quarantine.Hold = &inventory.Hold{Digest: refused.Image.Digest, Because: inventory.HeldForPlatform, Of: digest(3), Platform: markup, Since: now}
	would := HoldPage{Frame: frame("Quarantine an image", "/quarantine/new"), Of: inventory.Quarantine{Repository: "local/" + markup, Tag: markup}, Typed: markup,
		Form: QuarantineForm{Tag: markup, Reason: markup, ExpiresAt: "2026-01-01", Problem: "When you looked, this was 4 images in use with 2 digests, 2 of them trusted; now it is 12 images in use with 3 digests, 7 of them trusted. Nothing was held. Look at what is shown now, then confirm again."}, Impact: holdImpactSample()}
	let := OneQuarantinePage{Frame: frame("Quarantine", "/quarantine/q1"), Quarantine: quarantines()[0], Impact: *holdImpactSample()}
	letNot := let
	letNot.Problem, letNot.Reason, letNot.EndProblem, letNot.EndReason, letNot.EndDay = "Say why.", markup, "That is when it ends already.", markup, "2026-01-01"
	gone := let
	gone.Quarantine.ReleasedAt, gone.Quarantine.ReleasedBy, gone.Quarantine.ReleasedReason = ago(time.Hour), "Sam", markup

	inbox := SignersPage{Frame: frame("Signers", "/signers"), Registries: 1, Signers: []inventory.Signer{keyless(), company(inventory.Pending), *dctSignature().Signer, key(4, "etl key", inventory.Pending), nasty()}, Counts: map[inventory.Standing]int{inventory.Pending: 3, inventory.Approved: 4, inventory.Revoked: 1}, Next: "c"}
	inbox.Frame.Actor.Role = inventory.Reviewer
	inbox.Teams = []string{"payments", "platform"}
	for i := range inbox.Signers {
		one := &inbox.Signers[i]
		one.Repositories, one.RepositoryCount, one.Teams, one.Formats = []string{"local/payments/api", "local/payments/" + markup}, 2+i*8, []string{"payments"}, inventory.Formats[:1+i%3]
		one.Oddities = []inventory.Oddity{
			{Kind: inventory.OddLookAlike, Message: "Its name is nearly that of release@larkfield.example, which is approved, and isn't the same. Here it says \"" + markup + "\".", Other: &inventory.NamedSigner{ID: keyless().ID, Name: "x"}},
			{Kind: inventory.OddNewHere, Message: "In local/payments/api every verified signature before 2 November 2026, from 3 March 2026 on, was by payments release key (41 images in use carry it). This signer first signed there on 2 November 2026."},
			{Kind: inventory.OddAnotherRef, Message: "The same workflow is approved for another ref, refs/heads/main."},
		}[i%3 : 1+i%3]
	}
	inbox.Offer = &inbox.Signers[0]
	narrowInbox := inbox
	narrowInbox.Filter = inventory.SignerFilter{Team: "payments", Unusual: true, Kind: inventory.KeylessSigner}
	narrowInbox.Signers, narrowInbox.Offer = nil, nil
	ending := inbox
	end := now.Add(72 * time.Hour)
	ending.Filter, ending.Offer, ending.Signers = inventory.SignerFilter{Standing: inventory.Approved, Expiring: 30 * 24 * time.Hour}, nil, []inventory.Signer{key(1, "payments release key", inventory.Approved)}
	ending.Signers[0].EndsAt = &end
	oddOne := SignerPage{Frame: frame("Signer", keyless().ID.Path()), Signer: inbox.Signers[0], FromInbox: true, Inbox: "unusual=true", NextInbox: &inbox.Signers[1]}
	oddOne.Frame.Actor.Role = inventory.Reviewer
	approved := key(1, "payments release key", inventory.Approved)
	approved.PublicKey, approved.RegisteredAt, approved.RegisteredBy = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n", ago(50*24*time.Hour), "Sam Lindqvist"
	approved.Decisions = []inventory.Decision{
		{ID: "2", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/team-payments/**", "**"}, Reason: "Fingerprint compared with Priya by telephone.", ExpiresAt: ago(-90 * 24 * time.Hour), State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Sam Lindqvist", At: *ago(40 * time.Hour)}, {Name: "Ana Ruiz", At: *ago(39 * time.Hour)}}},
		{ID: "1", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/team-payments/api"}, Reason: "First.", State: inventory.StateRevoked, DecidedBy: []inventory.Decider{{Name: "Sam Lindqvist", At: *ago(80 * time.Hour)}}},
	}
	decide := signerPage(keyless())
	decide.Impact = &inventory.Impact{
		Images: 9, State: inventory.StateActive, Basis: "AAAA",
		Tally: inventory.Tally{
			Changes: []inventory.Change{{From: inventory.Unapproved, To: inventory.Trusted, Images: 6, Held: 2}}, Teams: []string{inventory.NoTeam, "payments"},
			ByTeam: []inventory.TeamChange{{Team: "payments", From: inventory.Unapproved, To: inventory.Trusted, Images: 5}, {Team: inventory.NoTeam, From: inventory.Unapproved, To: inventory.Trusted, Images: 1}},
		},
		Examples: []inventory.ChangedImage{{Image: images40()[0], From: inventory.Unapproved, To: inventory.Trusted}},
	}
	decide.Form.Asks = true
	moved := signerPage(keyless())
	moved.Impact = decide.Impact
	moved.Seen = &inventory.Tally{
		Changes: []inventory.Change{{From: inventory.Unapproved, To: inventory.Trusted, Images: 3}}, Teams: []string{markup, "payments"},
		ByTeam: []inventory.TeamChange{{Team: "payments", From: inventory.Unapproved, To: inventory.Trusted, Images: 2}, {Team: markup, From: inventory.Unapproved, To: inventory.Trusted, Images: 1}},
	}
	moved.Form = SignerForm{Decision: inventory.Approve, Repositories: "local/**", Reason: markup, ExpiresAt: "2027-01-31",
		Problem: "When you looked, 3 images in 2 teams would become trusted; now it is 6 in 1 team or in none: 3 more in payments, 1 more of no team, 1 fewer in shop."}
	proposed := signerPage(keyless())
	proposed.Signer.Decisions = []inventory.Decision{
		{ID: "p1", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/team-payments/**"}, Reason: "Met the team.", State: inventory.StateProposed, DecidedBy: []inventory.Decider{{Name: "Dana Reyes", At: *ago(20 * time.Hour)}}},
		{ID: "p2", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/**"}, Reason: markup, State: inventory.StateProposed, ExpiresAt: ago(-90 * time.Hour), DecidedBy: []inventory.Decider{{Name: proposed.Frame.Actor.Name, Subject: proposed.Frame.Actor.Subject, At: *ago(20 * time.Hour)}}},
		{ID: "p3", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/a/**"}, Reason: "Late.", State: inventory.StateProposed, ExpiresAt: ago(time.Hour), DecidedBy: []inventory.Decider{{Name: rtl, At: *ago(20 * time.Hour)}}},
	}
	proposed.Form = SignerForm{Decision: inventory.Approve, Repositories: "local/team-payments/**", Reason: "I met them, too.", Asks: true}
	proposed.Impact = decide.Impact
	rotated := signerPage(key(1, "payments release key", inventory.Approved))
	rotated.Signer.Decisions = []inventory.Decision{{ID: "r1", Verb: inventory.Approve, Repositories: []inventory.Glob{"local/team-payments/**"}, Reason: "The new key.", State: inventory.StateActive, Replaces: keyless().ID, ReplacedUntil: ago(-90 * time.Hour), ExpiresAt: ago(-900 * time.Hour), DecidedBy: []inventory.Decider{{Name: "Dana Reyes", At: *ago(20 * time.Hour)}}}}
	rotated.Rotations = []inventory.Rotation{
		{Decision: rotated.Signer.Decisions[0], Old: keyless(), New: rotated.Signer, Images: 40, Moved: 31, Repositories: 9, MovedRepositories: 7, Left: []string{"local/team-payments/ledger", markup}},
		{Decision: inventory.Decision{}, Old: rotated.Signer, New: nasty(), Images: 3, Moved: 3, Repositories: 1, MovedRepositories: 1},
	}
	rotated.Successors = []inventory.Signer{keyless(), nasty(), key(2, "platform base key", inventory.Pending)}
	rotated.Form = SignerForm{Decision: inventory.Approve, Repositories: "local/team-payments/**", Replaces: keyless().ID, ReplacedUntil: "2026-12-31"}
	inbox.Proposals = []inventory.Proposal{{Signer: keyless(), Decision: proposed.Signer.Decisions[0]}, {Signer: nasty(), Decision: proposed.Signer.Decisions[1]}}
	raced := signerPage(nasty())
	raced.Form = SignerForm{Decision: inventory.Approve, Repositories: markup + "\n**", Reason: markup, Problem: "Dana revoked this signer while you were reading.", Conflict: true}
	watched := signerPage(approved)
	watched.Frame.Actor = viewer

	boss := func(title string) Frame {
		f := frame(title, "/tokens")
		f.Actor = inventory.Actor{Kind: inventory.UserActor, Name: "Ada Lindgren", Subject: "idp|ada", Role: inventory.Admin}
		return f
	}
	programs := TokensPage{Frame: boss("Tokens"), Next: "c", Ever: true, Form: TokenForm{ID: "f", Lasts: "90d", Role: inventory.Viewer}}
	programs.Tokens = []inventory.Token{
		{ID: "1", Name: "nightly report", Role: inventory.Viewer, CreatedAt: *ago(time.Hour), CreatedBy: "Ada Lindgren", ExpiresAt: ago(-90 * 24 * time.Hour)},
		{ID: "2", Name: "payments pipeline", Role: inventory.Viewer, CreatedAt: *ago(80 * 24 * time.Hour), CreatedBy: "Ada Lindgren", ExpiresAt: ago(-10 * 24 * time.Hour), LastUsedAt: ago(3 * time.Minute), LastUsedFrom: "10.4.0.17"},
		{ID: "3", Name: "incident robot", Role: inventory.Reviewer, CreatedAt: *ago(300 * 24 * time.Hour), CreatedBy: "root at the command line", LastUsedAt: ago(50 * 24 * time.Hour), LastUsedFrom: "2001:db8::17"},
		{ID: "4", Name: strings.Repeat("wide ", 20), Role: inventory.Admin, CreatedAt: *ago(300 * 24 * time.Hour), CreatedBy: markup, ExpiresAt: ago(-time.Minute)},
	}
	past := TokensPage{Frame: boss("Tokens"), Over: true, Ever: true, Cursor: "c", Form: programs.Form}
	past.Tokens = []inventory.Token{
		{ID: "5", Name: "payments pipeline", Role: inventory.Viewer, CreatedAt: *ago(200 * 24 * time.Hour), CreatedBy: "Ada Lindgren", ExpiresAt: ago(80 * 24 * time.Hour), LastUsedAt: ago(80 * 24 * time.Hour), LastUsedFrom: "10.4.0.17"},
		{ID: "6", Name: "trial", Role: inventory.Admin, CreatedAt: *ago(201 * 24 * time.Hour), CreatedBy: "Ada Lindgren", RevokedAt: ago(200 * 24 * time.Hour), RevokedBy: "Sam Lindqvist"},
	}
	none2 := TokensPage{Frame: boss("Tokens"), Form: programs.Form}
	ended := TokensPage{Frame: boss("Tokens"), Ever: true, Form: TokenForm{ID: "f", Name: markup, Role: inventory.Admin, Lasts: "never", Problem: "There is a live token called trial already."}}
	made := TokenPage{Frame: boss("A new token"), Token: programs.Tokens[0], Secret: "sgb_" + "SampleSampleSampleSampleSampleSa" + "000000", API: "https://signboard.example"}

	out := frame("Sign in", "/signin")
	out.Actor, out.SignOutURL, out.SignInURL, out.Inbox, out.LastSync = inventory.Actor{}, "", "/signin", 0, nil

	noisy := frame("Quarantine", "/quarantine")
	noisy.Flash, noisy.Notice = &Flash{Problem: true, Message: markup}, "The clock of this machine is a day off."

	decided := list
	decided.Frame.Reevaluation = inventory.Reevaluation{Images: 41_200, By: "Dana " + bidi, Verb: inventory.Approve,
		Signer: &inventory.NamedSigner{ID: "keyless:https://issuer.test|x", Name: "https://github.com/acme/build/.github/workflows/release.yml@refs/heads/main"}}
	list2 := append(append(teamSamples(), auditSamples()...), []sample{
		{"overview", full}, {"overview-calm", calm}, {"overview-fresh", fresh}, {"overview-no-registry", OverviewPage{Frame: frame("Overview", "/")}},
		{"images", list}, {"images-reevaluating", decided}, {"images-narrowed", narrowed}, {"images-problem", none}, {"images-nothing", nothing}, {"images-no-registry", ImagesPage{Frame: frame("Images", "/images")}},
		{"image", image(trustedImage())}, {"image-unapproved", image(unapproved)}, {"image-unverifiable", image(unverifiable)}, {"image-invalid", image(invalid)}, {"image-unsigned", unsigned}, {"image-root-unknown", image(noRoot)}, {"image-notation", image(notation)}, {"image-ran-out", image(over)}, {"image-dct", image(dct)}, {"image-artifact", image(chart)}, {"image-unknown", unknown}, {"image-stripped", image(strippedImage())}, {"image-nasty", refused},
		{"signers", inbox}, {"signers-narrow-nothing", narrowInbox}, {"signers-ending", ending}, {"signer-odd", oddOne}, {"signers-well", SignersPage{Frame: frame("Signers", "/signers"), Registries: 1}}, {"signers-none", SignersPage{Frame: frame("Signers", "/signers"), Registries: 1, Filter: inventory.SignerFilter{Standing: inventory.Revoked}}}, {"signers-no-registry", SignersPage{Frame: frame("Signers", "/signers")}},
		{"signer", decide}, {"signer-moved", moved}, {"signer-proposed", proposed}, {"signer-rotated", rotated}, {"signer-approved", watched}, {"signer-widened", widenedPage()}, {"signer-nasty", raced}, {"signer-company", signerPage(company(inventory.Approved))}, {"signer-dct", signerPage(*dctSignature().Signer)},
		{"quarantine", QuarantinePage{Frame: noisy, Registries: 1, Standing: quarantines(), Released: []inventory.Quarantine{{ID: "q0", Digest: digest(3), Reason: "A mistake.", By: "Sam", At: *ago(90 * time.Hour), ReleasedAt: ago(80 * time.Hour), ReleasedBy: "Sam", ReleasedReason: markup}}, Next: "c"}},
		{"hold", would}, {"hold-new", HoldPage{Frame: frame("Quarantine an image", "/quarantine/new"), Typed: markup, Form: QuarantineForm{Problem: "It is in no configured registry."}}},
		{"quarantine-one", let}, {"quarantine-refused", letNot}, {"quarantine-over", gone},
		{"quarantine-well", QuarantinePage{Frame: frame("Quarantine", "/quarantine"), Registries: 1}},
		{"registries", RegistriesPage{Frame: frame("Registries", "/registries"), Registries: registryList(), Failing: map[string][]inventory.Repository{markup: {{Registry: markup, Name: bidi, NextDueAt: now.Add(time.Minute), Failing: &inventory.Failure{Reason: inventory.ReasonRegistryDenied, Message: markup, Since: *ago(time.Hour), At: now}}}}}},
		{"registries-no-registry", RegistriesPage{Frame: frame("Registries", "/registries")}},
		{"trust", TrustPage{Frame: frame("Roots of trust", "/trust"), Roots: roots()}}, {"trust-well", TrustPage{Frame: frame("Roots of trust", "/trust"), Roots: roots()[:1]}}, {"trust-none", TrustPage{Frame: frame("Roots of trust", "/trust")}},
		{"learn", LearnPage{Frame: frame("Learn", "/learn")}},
		{"account", accountPage("security")}, {"account-local", AccountPage{Frame: frame("Your account", "/account")}}, {"account-nasty", accountPage(markup)},
		{"tokens", programs}, {"tokens-none", none2}, {"tokens-over", past}, {"tokens-ended", ended}, {"token", made},
		{"search", SearchPage{Frame: frame("Search", "/search?q=api"), Q: "api", Repositories: []inventory.Repository{{Registry: "local", Name: "team-payments/api"}, {Registry: "local", Name: bidi}}, Signers: []inventory.Signer{keyless(), nasty()}, Images: images40()[:2]}},
		{"search-none", SearchPage{Frame: frame("Search", "/search?q=x"), Q: markup}},
		{"help", HelpPage{Frame: frame("Help", "/help")}},
		{"signin", SignInPage{Frame: out, StartURL: "/auth/start?return=%2F", Provider: "Acme sign-in", Problem: "The sign-in took too long.", SignedOut: true}},
	}...)
	for _, r := range inventory.Reasons {
		list2 = append(list2, sample{"learn-" + string(r), ReasonPage{Frame: frame(string(r), "/learn/"+string(r)), Reason: r, Reference: "127.0.0.1:5000/team-payments/api", Digest: digest(0), Tag: "v2.4.1"}})
	}
	for _, k := range []inventory.Kind{inventory.Internal, inventory.NotFound, inventory.Invalid, inventory.Conflict, inventory.Forbidden, inventory.Unauthorized, inventory.Throttled, inventory.Unavailable} {
		f := frame("Error", "/x")
		f.Theme = ui.ThemeDark
		if k == inventory.Unauthorized {
			f = out
		}
		list2 = append(list2, sample{"error-" + string(k), ErrorPage{Frame: f, Kind: k, Status: 500, Message: map[bool]string{true: markup}[k == inventory.Invalid], Request: "01JQ", Back: "/images"}})
	}
	return list2
}
