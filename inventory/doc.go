// Package inventory holds the nouns of Signboard: what a registry contains, who
// signed it, what was checked, what people decided, and the verdict that
// follows. It imports the standard library only, does no input or output, and
// knows neither SQL nor HTTP; every other room of the program speaks in these
// words.
//
// Facts and judgement are separate types on purpose. A Signature says who
// signed and which checks were made; only inventory/policy turns signatures,
// approvals and the time into a Verdict.
package inventory
