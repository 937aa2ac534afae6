package ui

import "signboard/inventory"

// StatusWord is the badge's word: the contract's own, so that it can be looked
// for in the API and on the command line.
func StatusWord(s inventory.Status) string {
	switch s {
	case inventory.Trusted:
		return "Trusted"
	case inventory.Unapproved:
		return "Unapproved"
	case inventory.Unverifiable:
		return "Unverifiable"
	case inventory.Failed:
		return "Invalid"
	case inventory.Unsigned:
		return "Unsigned"
	case inventory.Quarantined:
		return "Quarantined"
	}
	return "Unknown"
}

// StatusMeaning says a status in plain words.
func StatusMeaning(s inventory.Status) string {
	switch s {
	case inventory.Trusted:
		return "Signed by somebody approved for this repository."
	case inventory.Unapproved:
		return "Properly signed, but nobody approved the signer for this repository."
	case inventory.Unverifiable:
		return "Signed, but the key or root to check it with isn't known here."
	case inventory.Failed:
		return "Signed, and every signature failed its checks."
	case inventory.Unsigned:
		return "We looked everywhere a signature could be: there is none."
	case inventory.Quarantined:
		return "Held back by a person, whatever its signatures say."
	}
	return "Not checked yet, or it could not be checked. Never counted as good."
}

// statusKey is the status as a class and an icon name. What isn't one of the
// statuses is unknown, never anything better.
func statusKey(s inventory.Status) string {
	switch s {
	case inventory.Trusted, inventory.Unapproved, inventory.Unverifiable, inventory.Failed, inventory.Unsigned, inventory.Quarantined:
		return string(s)
	}
	return string(inventory.Unknown)
}

// StandingWord names what people decided about a signer.
func StandingWord(s inventory.Standing) string {
	switch s {
	case inventory.Approved:
		return "Approved"
	case inventory.Rejected:
		return "Rejected"
	case inventory.Revoked:
		return "Revoked"
	case inventory.Expired:
		return "Approval ran out"
	}
	return "Not decided"
}

// standingKey is the class and the seal of a standing.
func standingKey(s inventory.Standing) (class, icon string) {
	switch s {
	case inventory.Approved:
		return "trusted", "seal-trusted"
	case inventory.Rejected, inventory.Revoked:
		return "invalid", "seal-invalid"
	}
	return "unapproved", "seal-unapproved"
}

// FormatWord names how a signature is carried.
func FormatWord(f inventory.Format) string {
	switch f {
	case inventory.FormatSimpleSigning:
		return "cosign signature tag"
	case inventory.FormatBundle:
		return "Sigstore bundle"
	case inventory.FormatNotationJWS:
		return "Notation (JWS)"
	case inventory.FormatNotationCOSE:
		return "Notation (COSE)"
	case inventory.FormatDCT:
		return "Docker Content Trust"
	}
	return inventory.Visible(string(f))
}

// SignerKindWord says what kind of identity signs: plain words first, the term
// second.
func SignerKindWord(k inventory.SignerKind) string {
	switch k {
	case inventory.KeySigner:
		return "A key (public key)"
	case inventory.KeylessSigner:
		return "A sign-in identity (keyless)"
	case inventory.X509Signer:
		return "A company certificate (X.509)"
	case inventory.TUFSigner:
		return "A Docker Content Trust key (TUF)"
	}
	return inventory.Visible(string(k))
}

// ResultWord says how a check ended.
func ResultWord(r inventory.Result) string {
	switch r {
	case inventory.Pass:
		return "Passed"
	case inventory.Fail:
		return "Failed"
	case inventory.Skip:
		return "Not made"
	}
	return "Could not be made"
}

// resultKey is the class and the mark of a result. What isn't known counts as
// an error, never as a pass.
func resultKey(r inventory.Result) string {
	switch r {
	case inventory.Pass, inventory.Fail, inventory.Skip:
		return string(r)
	}
	return "error"
}

// OutcomeWord says what checking one signature came to.
func OutcomeWord(o inventory.Outcome) string {
	switch o {
	case inventory.OutcomeVerified:
		return "The bytes are intact"
	case inventory.OutcomeInvalid:
		return "The signature does not hold"
	case inventory.OutcomeUnverifiable:
		return "The signature can't be checked here"
	}
	return "The signature could not be read"
}

// outcomeResult is the mark of an outcome.
func outcomeResult(o inventory.Outcome) inventory.Result {
	switch o {
	case inventory.OutcomeVerified:
		return inventory.Pass
	case inventory.OutcomeInvalid:
		return inventory.Fail
	case inventory.OutcomeUnverifiable:
		return inventory.Skip
	}
	return inventory.Errored
}

// RoleWord names a link of the trust chain: plain words, short enough for the
// picture.
func RoleWord(r inventory.LinkRole) string {
	switch r {
	case inventory.RoleImage:
		return "Image"
	case inventory.RoleStatement:
		return "What was signed"
	case inventory.RoleSignature:
		return "Signature"
	case inventory.RoleKey:
		return "Key"
	case inventory.RoleLeaf:
		return "Certificate"
	case inventory.RoleIntermediate:
		return "Intermediate"
	case inventory.RoleRoot:
		return "Root of trust"
	case inventory.RoleTlog:
		return "Log entry"
	case inventory.RoleTimestamp:
		return "Timestamp"
	case inventory.RoleDelegation:
		return "Delegation"
	}
	return inventory.Visible(string(r))
}

// RoleTerm is the field's own word for a link, where it differs.
func RoleTerm(r inventory.LinkRole) string {
	switch r {
	case inventory.RoleStatement:
		return "payload"
	case inventory.RoleLeaf:
		return "the signer's own (leaf)"
	case inventory.RoleIntermediate:
		return "intermediate certificate"
	case inventory.RoleTlog:
		return "transparency log"
	case inventory.RoleTimestamp:
		return "RFC 3161"
	}
	return ""
}

func roleIcon(r inventory.LinkRole) string {
	switch r {
	case inventory.RoleImage:
		return "container"
	case inventory.RoleStatement:
		return "file-text"
	case inventory.RoleSignature:
		return "pen-line"
	case inventory.RoleKey:
		return "key-round"
	case inventory.RoleLeaf:
		return "id-card"
	case inventory.RoleRoot:
		return "landmark"
	case inventory.RoleTlog:
		return "scroll-text"
	case inventory.RoleTimestamp:
		return "clock"
	case inventory.RoleDelegation:
		return "users"
	}
	return "file-check-2"
}

// CheckWord is the name of a check for a person: payload_digest becomes
// "payload digest".
func CheckWord(name string) string {
	b := []byte(inventory.Visible(name))
	for i, c := range b {
		if c == '_' {
			b[i] = ' '
		}
	}
	return string(b)
}

// OutcomeKey is the class of an outcome.
func OutcomeKey(o inventory.Outcome) string { return resultKey(outcomeResult(o)) }

// StatusShort says a status in a few plain words.
func StatusShort(s inventory.Status) string {
	switch s {
	case inventory.Trusted:
		return "signed and approved"
	case inventory.Unapproved:
		return "signer not approved yet"
	case inventory.Unverifiable:
		return "key or root not known here"
	case inventory.Failed:
		return "signature fails its checks"
	case inventory.Unsigned:
		return "no signature anywhere"
	case inventory.Quarantined:
		return "held back by a person"
	}
	return "could not be checked"
}
