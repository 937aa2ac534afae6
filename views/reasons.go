package views

import "signboard/inventory"

// explanation is what a page under /learn/ says of one reason code.
type explanation struct {
	title   string           // short: stands for the code in lists
	meaning string           // one sentence
	who     string           // who can fix it
	fix     []string         // what they do, in order
	status  inventory.Status // the status the reason usually comes with
	also    []inventory.Status
	recipe  recipe // which commands help
	opens   string // whose commands are shown first; cosign's when empty
}

// explanations has an entry for every reason code.
var explanations = map[inventory.Reason]explanation{
	inventory.ReasonOK: {
		title:   "All checks passed",
		meaning: "A signature covers exactly these bytes, and its signer is approved for this repository.",
		who:     "Nobody has to do anything.",
		fix:     []string{"To see the same with your own tools, run the check below; the image's page has it filled in."},
		status:  inventory.Trusted, recipe: verifyRecipe,
	},
	inventory.ReasonNoSignature: {
		title:   "No signature",
		meaning: "Every place a signature could be was read, and there is none.",
		who:     "The team that builds the image.",
		fix:     []string{"Sign the image by its digest, best in the pipeline that builds it.", "An attestation or an SBOM is not a signature of the image, whoever signed it: sign the image as well.", "Docker Content Trust counts where its server is named in the configuration; its servers are being closed, so sign with cosign or Notation.", "Wait for the next sync, or start one on the Registries page."},
		status:  inventory.Unsigned, recipe: signRecipe,
	},
	inventory.ReasonSignerNotApproved: {
		title:   "Signer not approved",
		meaning: "The signature holds, but nobody has decided yet whether this signer may sign for this repository.",
		who:     "A security reviewer.",
		fix:     []string{"Open the signer's page from the image.", "Compare the fingerprint, or the identity and who vouches for it, with what the team tells you by another way: the same name from another issuer is somebody else.", "Approve it for the repositories it builds, or reject it.", "Where every tag signs as an identity of its own, let the approval cover every tag of the workflow: then the next release needs nobody.", "Where the message names two roots of trust, the same name is approved through one of them and signed through another: find out who runs that one before you approve it."},
		status:  inventory.Unapproved, recipe: verifyRecipe,
	},
	inventory.ReasonSignerRejected: {
		title:   "Signer rejected",
		meaning: "The signature holds, but a reviewer looked at this signer and said no.",
		who:     "The team signs with an approved signer, or talks to the reviewer.",
		fix:     []string{"Read the reason on the signer's page.", "Sign the image again with a signer that is approved for this repository."},
		status:  inventory.Unapproved, recipe: signRecipe,
	},
	inventory.ReasonApprovalExpired: {
		title:   "Approval ran out",
		meaning: "The signature holds, and its signer was approved for this repository until the approval's last day passed.",
		who:     "A security reviewer.",
		fix:     []string{"Open the signer's page and see who approved it, and why only until then.", "Approve it again if that still holds; the images become trusted without being signed anew."},
		status:  inventory.Unapproved, recipe: verifyRecipe,
	},
	inventory.ReasonApprovalRevoked: {
		title:   "Approval revoked",
		meaning: "The signature holds, but a reviewer has taken the approval of its signer back.",
		who:     "The team signs with another signer; a reviewer can say why.",
		fix:     []string{"Read the reason on the signer's page: a revoked key may be in the wrong hands.", "Where the message names a pattern, read the page of the signer that it was approved with: its end was the end for all of them.", "Build and sign the image again with a signer that is approved."},
		status:  inventory.Unapproved, recipe: signRecipe,
	},
	inventory.ReasonOutOfScope: {
		title:   "Approved, but not for this repository",
		meaning: "The signer is approved for other repositories, and this one is not among them.",
		who:     "A security reviewer, or the team that signed with another team's signer.",
		fix:     []string{"See on the signer's page which repositories the approval covers.", "Widen the approval by this repository, or sign with the signer that belongs here."},
		status:  inventory.Unapproved, recipe: verifyRecipe,
	},
	inventory.ReasonKeyUnknown: {
		title:   "Key not known here",
		meaning: "The image is signed with a key, and the public key to check it with has not been registered.",
		who:     "The team sends the public key; an operator registers it.",
		fix:     []string{"Ask the team for its public key by a way you trust, never from the image itself: what came along is shown as a hint and proves nothing.", "Register it with signboard key add, then approve it on its page. The image needn't be signed again."},
		status:  inventory.Unverifiable, recipe: keyRecipe, opens: "signboard",
	},
	inventory.ReasonRootUnknown: {
		title:   "Root of trust not known here",
		meaning: "The signature has a certificate, and none of the roots of trust that are configured here vouches for it, so that anybody could have made it.",
		who:     "The operator of Signboard.",
		fix:     []string{"Find out which instance of Sigstore, or which company authority, the team signs with; the trust chain shows what the certificate claims.", "Get that root by a way you trust, never from the image.", "Name it under trust in the configuration, if you mean to rely on it. What is known of the images is then checked again by itself."},
		status:  inventory.Unverifiable, recipe: rootRecipe, opens: "signboard",
	},
	inventory.ReasonSignatureMismatch: {
		title:   "The signature does not fit",
		meaning: "The signature was not made by this key over these bytes: one of them was altered or exchanged.",
		who:     "A security reviewer looks first; then the team signs again.",
		fix:     []string{"Treat it as an incident until you know how it came there.", "Compare the image's digest with the one your pipeline recorded.", "Sign the digest again and remove the broken signature."},
		status:  inventory.Failed, recipe: mismatchRecipe,
	},
	inventory.ReasonDigestMismatch: {
		title:   "Signature of another image",
		meaning: "What was signed names another image than this one, as when a signature is copied from one image to another.",
		who:     "The team that pushed it; a reviewer if nobody knows why.",
		fix:     []string{"Find out whether somebody copied the signature, or moved images without signing them again.", "With Docker Content Trust, the same digest with another length is a mismatch, too.", "Sign this digest, and remove the signature that belongs elsewhere."},
		status:  inventory.Failed, recipe: mismatchRecipe,
	},
	inventory.ReasonPayloadMalformed: {
		title:   "What was signed can't be read",
		meaning: "What was signed, or the envelope around it, is not what its format asks for, so that nothing can be relied on in it.",
		who:     "The team that signs.",
		fix:     []string{"Sign again with a current version of the tool.", "If a tool of your own signs, compare what it writes with the format's specification: fields that are there twice, data after the end and unknown types are refused."},
		status:  inventory.Failed, recipe: signRecipe,
	},
	inventory.ReasonCertificateExpired: {
		title:   "Certificate was not valid then",
		meaning: "A certificate of the signer's chain had run out when the signature was made, or nothing proves that it was made before.",
		who:     "The team that signs.",
		fix:     []string{"Sign with a log entry or a timestamp: a certificate may run out afterwards, if something proves that it was valid then.", "If the certificate had run out before signing, get a new one first.", "Look at the trust chain: an intermediate may have run out before the signer's own certificate."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonCertificateInvalid: {
		title:   "Certificate not fit for signing",
		meaning: "A certificate that came along is not fit for signing images, or its chain does not hold.",
		who:     "The team that signs, with whoever issues its certificates.",
		fix:     []string{"See in the trust chain which check failed.", "Ask for a certificate with digital signature as its key usage and code signing as its extended use, under an authority that may issue it.", "Attach the whole chain of certificates, and sign again.", "Notation: a signature with a critical attribute that only a plugin understands is refused; sign without the plugin."},
		status:  inventory.Failed, recipe: certificateRecipe,
	},
	inventory.ReasonCertificateRevoked: {
		title:   "Certificate revoked",
		meaning: "Whoever issued a certificate of the signer's chain has taken it back.",
		who:     "The team that signs; a reviewer, since the key may be in the wrong hands.",
		fix:     []string{"Find out why it was revoked before anything else: from then on nothing that it signed is believed.", "Take the key out of the pipeline.", "Build and sign again with a new certificate."},
		status:  inventory.Failed, recipe: revokedRecipe,
	},
	inventory.ReasonSignatureExpired: {
		title:   "Signature ran out",
		meaning: "The signature had a last day, set by its signer or by the metadata it is part of, and it has passed.",
		who:     "The team that signs.",
		fix:     []string{"Decide whether this image should still run.", "Sign it again if it should.", "Docker Content Trust: the repository's metadata run out unless its owner publishes again; signing any tag of it does."},
		status:  inventory.Failed, recipe: expiryRecipe,
	},
	inventory.ReasonTlogMissing: {
		title:   "No log entry",
		meaning: "The signer's certificate lives for minutes, and there is neither an entry in a transparency log nor a timestamp to show that the signature was made in them.",
		who:     "The team that signs.",
		fix:     []string{"Sign without switching the log off.", "If your signatures may not be in a public log, run a log or a timestamp authority of your own, and name its root under trust in the configuration."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonTlogInvalid: {
		title:   "Log entry does not hold",
		meaning: "The entry in the transparency log belongs to something else, or no log that is known here vouches for it.",
		who:     "A security reviewer looks first; then the team signs again.",
		fix:     []string{"See in the trust chain which check failed: the entry, its proof, or the log's own signature.", "Treat an entry of another image as an incident: a copied entry looks like this.", "If the log is a new one of an instance you rely on, renew its root of trust.", "Sign again."},
		status:  inventory.Failed, recipe: logRecipe,
	},
	inventory.ReasonTimestampInvalid: {
		title:   "Timestamp does not hold",
		meaning: "The timestamp is for another signature, does not hold, or comes from an authority that is not known here.",
		who:     "The team that signs, or the operator of Signboard.",
		fix:     []string{"See in the trust chain which authority made it.", "Name that authority under trust in the configuration, if you rely on it.", "Sign again if the timestamp belongs to something else."},
		status:  inventory.Failed, recipe: stampRecipe,
	},
	inventory.ReasonIdentityMalformed: {
		title:   "Signer's identity can't be read",
		meaning: "The certificate names its owner in the wrong place, in more than one way, or in a form that nobody can read the same.",
		who:     "The team that signs, with whoever issues its certificates.",
		fix:     []string{"Look at the certificate's subject alternative name, or at its subject with Notation.", "Sign again with a certificate that names one identity, without characters that can't be seen."},
		status:  inventory.Failed, recipe: certificateRecipe,
	},
	inventory.ReasonTooLarge: {
		title:   "Too large to read",
		meaning: "Something attached to the image is larger than we read, so that it was not checked.",
		who:     "The team that pushed it.",
		fix:     []string{"See what is attached to the image, and remove what does not belong there.", "Real signatures are a few kilobytes, with their certificates and proofs.", "An image whose attachments are too large is never counted as signed or unsigned because of it."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonTooMany: {
		title:   "Too many to read",
		meaning: "More is attached to the image than we read, so that not all of it was checked.",
		who:     "The team that pushed it.",
		fix:     []string{"See what is attached to the image: a loop in a pipeline signs again and again.", "Remove the signatures that are no longer needed."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonRegistryUnreachable: {
		title:   "No answer",
		meaning: "The registry, or another server that had to be asked, did not answer, so that nothing new can be said; what was known stays, with its age.",
		who:     "The operator of the registry or of that server.",
		fix:     []string{"See on the Registries page since when, and what it said.", "The message names the server: beside the registry it may be one of Docker Content Trust, or one that says whether a certificate was revoked.", "Try the same from the machine that runs Signboard."},
		status:  inventory.Unknown, recipe: registryRecipe, opens: "signboard",
	},
	inventory.ReasonRegistryDenied: {
		title:   "Registry refused us",
		meaning: "The registry does not let us read this, so that nothing new can be said; nothing was deleted because of it.",
		who:     "The registry's operator, or whoever gave us the credentials.",
		fix:     []string{"Check that the account still exists, and may read this repository.", "Renew the credentials in the configuration."},
		status:  inventory.Unknown, recipe: registryRecipe, opens: "signboard",
	},
	inventory.ReasonRegistryThrottled: {
		title:   "Registry asked us to slow down",
		meaning: "The registry limits how much we may ask, and we wait as long as it says.",
		who:     "Nobody has to; the sync goes on by itself.",
		fix:     []string{"If it stays so for hours, sync less often, or use an account with a higher limit."},
		status:  inventory.Unknown, recipe: registryRecipe, opens: "signboard",
	},
	inventory.ReasonRegistryInconsistent: {
		title:   "Registry contradicts itself",
		meaning: "The registry, or the server beside it that keeps its signatures, gave something else than was asked for or than it gave before, so that it was not kept.",
		who:     "The registry's operator.",
		fix:     []string{"Look at this as a fault of the registry, or of something between it and us, until you know better.", "A server of Docker Content Trust that no longer knows a repository it signed before is one of these.", "Ask for the digest yourself and compare."},
		status:  inventory.Unknown, recipe: registryRecipe,
	},
	inventory.ReasonTrustRootStale: {
		title:   "Root of trust is out of date",
		meaning: "What is known of a root of trust, or of what has run out or was revoked under it, is too old or can't be had, so that nothing is decided with it.",
		who:     "The operator of Signboard.",
		fix:     []string{"See on the page Roots of trust how old each copy is, and why it was not renewed.", "Let the machine reach the place the root comes from, or put a fresh trusted root in its place.", "If it is about revocation, the authority's own server doesn't answer: tell whoever runs it.", "Docker Content Trust: the repository's owner publishes again. If somebody put older metadata back, treat it as an incident."},
		status:  inventory.Unknown, also: []inventory.Status{inventory.Unverifiable, inventory.Failed}, recipe: staleRecipe, opens: "signboard",
	},
	inventory.ReasonNotChecked: {
		title:   "Not checked yet",
		meaning: "Nobody has looked at this image yet, and until then it is not counted as good.",
		who:     "Nobody has to; the next sync looks.",
		fix:     []string{"Start a sync on the Registries page if you can't wait.", "A signature of a kind that this version doesn't know is not checked either, and says so."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonQuarantined: {
		title:   "Held in quarantine",
		meaning: "A person holds this image back, whatever its signatures say.",
		who:     "A security reviewer.",
		fix:     []string{"Read on the Quarantine page who holds it, since when and why.", "Release it there, with a reason, once that no longer stands."},
		status:  inventory.Quarantined, recipe: lookRecipe,
	},
}

// explain never fails: a code that is not known says so.
func explain(r inventory.Reason) explanation {
	if e, ok := explanations[r]; ok {
		return e
	}
	return explanation{
		title:   inventory.Visible(string(r)),
		meaning: "This program doesn't know the reason.",
		who:     "Whoever runs Signboard.",
		status:  inventory.Unknown, recipe: lookRecipe,
	}
}

// ReasonSentence is a reason in words, for programs that list findings.
func ReasonSentence(r inventory.Reason) string {
	e := explain(r)
	return e.title + ": " + e.meaning
}
