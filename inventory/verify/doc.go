// Package verify finds what is attached to an image and has it checked, and
// reports evidence: who signed, which checks were made, with which result. It
// never says whether anybody trusts the signer; that is policy's to say. It
// reads a registry only through Source, writes nothing, and holds no format of
// its own: each family of signatures is a Checker in a folder beside this file
// (cosign, notation), and adding one is that folder and one argument of
// NewInspector.
//
// A registry is untrusted input. Discovery and every Checker work under the
// caps in caps.go, content is accepted only under the digest it was asked for
// by, and whatever could not be read makes the evidence incomplete, never the
// image unsigned.
package verify
