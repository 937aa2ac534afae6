package ui

import (
	"slices"
	"strings"

	"signboard/inventory"
)

// IDFacts takes a signer's id apart: it is made from what was verified and
// nothing else, so that these facts are always true of it.
func IDFacts(id inventory.SignerID) []inventory.Fact {
	_, rest, _ := strings.Cut(string(id), ":")
	before, after, _ := strings.Cut(rest, "|")
	switch id.Kind() {
	case inventory.KeySigner:
		return []inventory.Fact{{Name: "Fingerprint", Value: rest}}
	case inventory.KeylessSigner:
		return []inventory.Fact{{Name: "Identity", Value: after}, {Name: "Issuer of the identity", Value: before}}
	case inventory.X509Signer:
		return []inventory.Fact{{Name: "Subject", Value: after}, {Name: "Fingerprint of the anchor", Value: before}}
	case inventory.TUFSigner:
		return []inventory.Fact{{Name: "Signs for", Value: before}, {Name: "Key id", Value: after}}
	}
	return []inventory.Fact{{Name: "Identity", Value: string(id)}}
}

// Identity is all that is known of a signer: what its id says, then the facts
// of one signature, then what is said of the signer in general and not
// contradicted by those: two runs of one workflow are one signer.
func Identity(s inventory.Signer, own []inventory.Fact) []inventory.Fact {
	facts := IDFacts(s.ID)
	values, names := map[string]bool{}, map[string]bool{}
	for _, f := range facts {
		values[f.Value] = true
	}
	for _, f := range own {
		names[f.Name] = true
	}
	for i, f := range slices.Concat(own, s.Facts) {
		if !values[f.Value] && (i < len(own) || !names[f.Name]) {
			facts = append(facts, f)
		}
	}
	return facts
}

// SuspiciousSigner reports whether a signer's name, or who vouches for it, may
// not be what it looks like.
func SuspiciousSigner(s inventory.Signer) bool {
	if s.Name == "" || s.ID.Kind() == inventory.KeylessSigner {
		for _, f := range IDFacts(s.ID) {
			if inventory.Suspicious(f.Value) {
				return true
			}
		}
	}
	return inventory.Suspicious(s.Name)
}

// Vouches says in a few words what a signer's name rests on, for beside the
// name: two signers of one name differ in it.
func Vouches(id inventory.SignerID) string {
	facts := IDFacts(id)
	switch id.Kind() {
	case inventory.KeySigner:
		return inventory.Visible(inventory.Digest(facts[0].Value).Short())
	case inventory.KeylessSigner:
		return "vouched for by " + Middle(inventory.Visible(facts[1].Value), 96)
	case inventory.X509Signer:
		return "under " + inventory.Visible(inventory.Digest(facts[1].Value).Short())
	case inventory.TUFSigner:
		return "for " + Middle(inventory.Visible(facts[0].Value), 96)
	}
	return Middle(inventory.Visible(string(id)), 64)
}
