package views

import "signboard/inventory"

// explanation is what a page under /learn/ says of one reason code.
type explanation struct {
	title   string           // short: stands for the code in lists
	meaning string           // one sentence
	who     string           // who can fix it
	fix     []string         // what they do, in order
	status  inventory.Status // the status the reason usually comes with
	recipe  recipe           // which commands help
}

// explanations has an entry for every reason code.
var explanations = map[inventory.Reason]explanation{
	inventory.ReasonOK: {
		title:   "All checks passed",
		meaning: "A signature covers exactly these bytes, and its signer is approved for this repository.",
		who:     "Nobody has to do anything.",
		fix:     []string{"To see the same with your own tools, run the check below."},
		status:  inventory.Trusted, recipe: verifyRecipe,
	},
	inventory.ReasonNoSignature: {
		title:   "No signature",
		meaning: "Every place a signature could be was read, and there is none.",
		who:     "The team that builds the image.",
		fix:     []string{"Sign the image by its digest, best in the pipeline that builds it.", "An attestation or an SBOM is not a signature of the image; sign it as well.", "Wait for the next sync, or start one on the Registries page."},
		status:  inventory.Unsigned, recipe: signRecipe,
	},
	inventory.ReasonSignerNotApproved: {
		title:   "Signer not approved",
		meaning: "The signature holds, but nobody has decided yet whether this signer may sign for this repository.",
		who:     "A security reviewer.",
		fix:     []string{"Open the signer's page from the image.", "Compare the fingerprint or the identity with what the team tells you by another way.", "Approve it for the repositories it builds, or reject it."},
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
		fix:     []string{"Read the reason on the signer's page: a revoked key may be in the wrong hands.", "Build and sign the image again with a signer that is approved."},
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
		fix:     []string{"Ask the team for its public key by a way you trust, never from the image itself.", "Register it with signboard key add, then approve it on its page."},
		status:  inventory.Unverifiable, recipe: keyRecipe,
	},
	inventory.ReasonRootUnknown: {
		title:   "Root of trust not known here",
		meaning: "The signer's certificate leads to a root that is not configured, so that anybody could have made it.",
		who:     "The operator of Signboard.",
		fix:     []string{"Find out which instance of Sigstore, or which company authority, the team signs with.", "Name its trusted root under trust in the configuration, if you mean to rely on it."},
		status:  inventory.Unverifiable, recipe: rootRecipe,
	},
	inventory.ReasonSignatureMismatch: {
		title:   "The signature does not fit",
		meaning: "The signature was not made by this key over these bytes: one of them was altered or exchanged.",
		who:     "A security reviewer looks first; then the team signs again.",
		fix:     []string{"Treat it as an incident until you know how it came there.", "Compare the image's digest with the one your pipeline recorded.", "Sign the digest again and remove the broken signature."},
		status:  inventory.Failed, recipe: verifyRecipe,
	},
	inventory.ReasonDigestMismatch: {
		title:   "Signature of another image",
		meaning: "The signature is for another digest than this image's, as when it is copied from one image to another.",
		who:     "The team that pushed it; a reviewer if nobody knows why.",
		fix:     []string{"Find out whether somebody copied the signature, or moved images without signing them again.", "Sign this digest, and remove the signature that belongs elsewhere."},
		status:  inventory.Failed, recipe: signRecipe,
	},
	inventory.ReasonPayloadMalformed: {
		title:   "What was signed can't be read",
		meaning: "The signed text is not what its format asks for, so that nothing can be relied on in it.",
		who:     "The team that signs.",
		fix:     []string{"Sign again with a current version of the tool.", "If a tool of your own signs, compare its payload with the format's specification."},
		status:  inventory.Failed, recipe: signRecipe,
	},
	inventory.ReasonCertificateExpired: {
		title:   "Certificate was not valid then",
		meaning: "Nothing proves that the signature was made while the signer's certificate was valid.",
		who:     "The team that signs.",
		fix:     []string{"Sign with a timestamp or a public log entry: short-lived certificates need one.", "Sign the image again with a certificate that is valid."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonCertificateInvalid: {
		title:   "Certificate not fit for signing",
		meaning: "The certificate lacks what signing code asks for, or its chain does not hold.",
		who:     "The team that signs, with whoever issues its certificates.",
		fix:     []string{"Ask for a certificate with the code-signing use.", "Attach the whole chain of certificates, and sign again."},
		status:  inventory.Failed, recipe: certificateRecipe,
	},
	inventory.ReasonCertificateRevoked: {
		title:   "Certificate revoked",
		meaning: "Whoever issued the signer's certificate has taken it back.",
		who:     "The team that signs; a reviewer, since the key may be in the wrong hands.",
		fix:     []string{"Find out why it was revoked before anything else.", "Build and sign again with a new certificate."},
		status:  inventory.Failed, recipe: certificateRecipe,
	},
	inventory.ReasonSignatureExpired: {
		title:   "Signature ran out",
		meaning: "The signer gave the signature a last day, and it has passed.",
		who:     "The team that signs.",
		fix:     []string{"Decide whether this image should still run.", "Sign it again if it should."},
		status:  inventory.Failed, recipe: signRecipe,
	},
	inventory.ReasonTlogMissing: {
		title:   "No public log entry",
		meaning: "The rules here ask for an entry in a public log (transparency log), and the signature has none.",
		who:     "The team that signs.",
		fix:     []string{"Sign without switching the log off.", "If your signatures may not be public, use a timestamp authority and say so in the configuration."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonTlogInvalid: {
		title:   "Public log entry does not hold",
		meaning: "The log entry (transparency log) belongs to something else, or the log has not vouched for it.",
		who:     "A security reviewer looks first; then the team signs again.",
		fix:     []string{"Compare the entry with the image: a copied entry looks like this.", "Sign again."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonTimestampInvalid: {
		title:   "Timestamp does not hold",
		meaning: "The timestamp is for another signature, or comes from an authority that is not known here.",
		who:     "The team that signs, or the operator of Signboard.",
		fix:     []string{"Check which timestamp authority was used, and whether it is configured under trust.", "Sign again if the timestamp belongs to something else."},
		status:  inventory.Failed, recipe: timeRecipe,
	},
	inventory.ReasonIdentityMalformed: {
		title:   "Signer's identity can't be read",
		meaning: "The certificate names its owner in the wrong place, or in a form that could mean more than one.",
		who:     "The team that signs, with whoever issues its certificates.",
		fix:     []string{"Look at the certificate's subject alternative name.", "Sign again with a certificate that names one identity."},
		status:  inventory.Failed, recipe: certificateRecipe,
	},
	inventory.ReasonTooLarge: {
		title:   "Too large to read",
		meaning: "Something attached to the image is larger than we read, so that it was not checked.",
		who:     "The team that pushed it.",
		fix:     []string{"See what is attached to the image, and remove what does not belong there.", "Real signatures are a few kilobytes."},
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
		title:   "Registry can't be reached",
		meaning: "The registry did not answer, so that nothing new can be said; what was known stays, with its age.",
		who:     "The registry's operator.",
		fix:     []string{"See on the Registries page since when, and what it said.", "Try the same from the machine that runs Signboard."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonRegistryDenied: {
		title:   "Registry refused us",
		meaning: "The registry does not let us read this, so that nothing new can be said; nothing was deleted because of it.",
		who:     "The registry's operator, or whoever gave us the credentials.",
		fix:     []string{"Check that the account still exists, and may read this repository.", "Renew the credentials in the configuration."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonRegistryThrottled: {
		title:   "Registry asked us to slow down",
		meaning: "The registry limits how much we may ask, and we wait as long as it says.",
		who:     "Nobody has to; the sync goes on by itself.",
		fix:     []string{"If it stays so for hours, sync less often, or use an account with a higher limit."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonRegistryInconsistent: {
		title:   "Registry contradicts itself",
		meaning: "The registry gave something else than was asked for, so that it was not kept.",
		who:     "The registry's operator.",
		fix:     []string{"Look at this as a fault of the registry, or of something between it and us, until you know better.", "Ask for the digest yourself and compare."},
		status:  inventory.Unknown, recipe: lookRecipe,
	},
	inventory.ReasonTrustRootStale: {
		title:   "Root of trust is too old",
		meaning: "The root that signatures are checked with has not been renewed in time, so that nothing is decided with it.",
		who:     "The operator of Signboard.",
		fix:     []string{"See whether the machine can reach the place the root comes from.", "Put a fresh trusted root in its place."},
		status:  inventory.Unknown, recipe: rootRecipe,
	},
	inventory.ReasonNotChecked: {
		title:   "Not checked yet",
		meaning: "Nobody has looked at this image yet, and until then it is not counted as good.",
		who:     "Nobody has to; the next sync looks.",
		fix:     []string{"Start a sync on the Registries page if you can't wait."},
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
