// Package peers holds Signboard against the programs whose signatures it
// checks. It builds the pinned signers and services, starts them on loopback,
// signs images in every form on registries with and without the referrers API,
// and asks the reference tool and the built signboard binary the same question
// about each: did this signer sign this image? The answers are the same, or
// the case says why ours is stricter. People come in through a real identity
// provider, dex, in Chromium.
//
// It is run by make test-peers, which sets the build tag peers. It drives the
// binary from outside and imports nothing of ours. It needs Linux, Go, a
// Chromium and a Debian mirror; what it builds is kept outside the tree, in
// $SIGNBOARD_PEERS_DIR or signboard-peers in the user's cache folder.
package peers
