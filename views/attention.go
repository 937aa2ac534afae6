package views

import (
	"net/url"

	"signboard/inventory"
	"signboard/views/ui"
)

// SignersWaiting says that signers were seen and nobody has decided about them.
// images is the number of images that wait for it.
func SignersWaiting(signers, images int) Attention {
	return Attention{
		Status: inventory.Unapproved,
		Count:  signers,
		Title:  ui.Plural(signers, "signer waits", "signers wait") + " for a decision",
		Detail: ui.Count(images, "image becomes", "images become") + " trusted or not by a reviewer's word.",
		URL:    "/signers",
		Action: "Decide",
	}
}

// ImagesNeed says that images of a scope have a status somebody has to do
// something about.
func ImagesNeed(status inventory.Status, images int, of inventory.Scope) Attention {
	words := map[inventory.Status][2]string{
		inventory.Failed:       {"with a signature that fails its checks", "Look at these first: a copied or altered signature looks like this."},
		inventory.Unverifiable: {"signed, the key or root not known here", "An operator registers the key or names the root; then they are checked."},
		inventory.Unapproved:   {"signed, the signer not approved", "A reviewer decides about the signer, once for all of them."},
		inventory.Unsigned:     {"without a signature", "Their teams sign them; each page shows the command."},
		inventory.Unknown:      {"that could not be checked", "The registry's operator can help; nothing is assumed meanwhile."},
		inventory.Quarantined:  {"held in quarantine", "They stay held until a reviewer releases them."},
		inventory.Trusted:      {"trusted", ""},
	}[status]
	return Attention{
		Status: status,
		Count:  images,
		Title:  ui.Plural(images, "image", "images") + " " + words[0],
		Detail: words[1],
		URL:    scopeStatusURL(of, status),
		Action: "Show",
	}
}

// RegistryFailing says that a registry can't be read.
func RegistryFailing(r inventory.Registry) Attention {
	a := Attention{
		Icon:   "server-crash",
		Title:  "Registry " + inventory.Visible(r.Name) + " cannot be read",
		Detail: "What is known of its images stays, with its age.",
		URL:    "/registries#" + ui.Anchor("registry", r.Name),
		Action: "See why",
	}
	if r.State.Failing == nil && r.State.FailingRepos > 0 {
		a.Count = r.State.FailingRepos
		a.Title = ui.Plural(a.Count, "repository", "repositories") + " of " + inventory.Visible(r.Name) + " cannot be read"
	} else if r.State.Failing != nil {
		a.Detail = inventory.Visible(r.State.Failing.Message)
	}
	return a
}

// RootStale says that a root of trust should be newer than it is, or isn't
// there.
func RootStale(r inventory.TrustRoot) Attention {
	a := Attention{
		Icon:   "landmark",
		Title:  "The root of trust " + inventory.Visible(r.Name) + " is too old",
		Detail: "What is new in it isn't known here: such signatures can't be checked.",
		URL:    "/trust#" + rootAnchor(r.Kind, r.Name),
		Action: "See why",
	}
	if len(r.Facts) == 0 {
		a.Title, a.Detail = "The root of trust "+inventory.Visible(r.Name)+" is not there", "Signatures that need it can't be checked."
	}
	return a
}

// TagMoved says that a tag points somewhere else than it did, and what it
// points at now isn't trusted as what it pointed at before was.
func TagMoved(i inventory.Image, tag string) Attention {
	return Attention{
		Status: i.Status,
		Title:  "The tag " + inventory.Visible(i.Repository+":"+tag) + " moved",
		Detail: "It now points at an image that is not trusted.",
		URL:    ImageURL(i.FullRepository(), i.Digest),
		Action: "Show",
	}
}

// SignaturesRemoved says that images are no longer trusted because a signature
// was removed from the registry: the latest is named. There is at least one.
func SignaturesRemoved(lost []inventory.LostSignature) Attention {
	latest := lost[0]
	name := latest.Repository + "@" + latest.Digest.Short()
	if len(latest.Tags) > 0 {
		name = latest.Repository + ":" + latest.Tags[0]
	}
	name = ui.Middle(inventory.Visible(name), 80)
	a := Attention{
		Icon:   "shield-alert",
		Title:  "The signature of " + name + " was removed",
		Detail: "It had made the image trusted. Ask who removed it from the registry, and why.",
		URL:    ImageURL(latest.Registry+"/"+latest.Repository, latest.Digest) + "#history",
		Action: "Show",
	}
	if len(lost) > 1 {
		a.Count, a.Title = len(lost), "images lost the signature that had made them trusted"
		a.Detail = "The latest is " + name + ". Ask who removed them from the registry, and why."
	}
	return a
}

// href is the address of something that needs somebody, the overview when it
// has none.
func (a Attention) href() string {
	if _, err := url.Parse(a.URL); err != nil || a.URL == "" {
		return "/"
	}
	return a.URL
}
