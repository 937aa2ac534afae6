package inventory

import "strings"

// Workflow takes apart the identity that Fulcio gives a build's workflow: the
// address of the workflow's file, and the Git ref that it ran for (Fulcio,
// docs/oidc.md: https://HOST/OWNER/REPOSITORY/PATH@REF). ok is false for every
// other identity. A file's name may hold @refs/ as well as a branch's may: the
// last one counts, so that whoever may name branches can't pass for another file.
func (id SignerID) Workflow() (address, ref string, ok bool) {
	_, san, _ := id.Identity()
	if !strings.HasPrefix(san, "https://") {
		return "", "", false
	}
	cut := strings.LastIndex(san, "@refs/")
	if cut < 0 {
		return "", "", false
	}
	return san[:cut], san[cut+1:], true
}

// Family is what a signer has in common with itself under other Git refs: the
// releases of one workflow are signers of their own, and one family. Every other
// signer is a family of one.
func (id SignerID) Family() string {
	issuer, _, _ := id.Identity()
	if address, _, ok := id.Workflow(); ok {
		return string(KeylessID(issuer, address))
	}
	return string(id)
}

// Authority is who vouches for the signer: the issuer of a keyless identity, the
// fingerprint of the trust anchor that a certificate's subject is under. It is
// empty for a key, which nobody vouches for.
func (id SignerID) Authority() string {
	switch id.Kind() {
	case KeylessSigner:
		issuer, _, _ := id.Identity()
		return issuer
	case X509Signer:
		anchor, _, _ := strings.Cut(strings.TrimPrefix(string(id), "x509:"), "|")
		return anchor
	}
	return ""
}
