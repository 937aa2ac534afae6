package verify

// The most that is looked at for one image. What lies beyond is reported as
// too_many or too_large, and what was found before it stays true.
const (
	MaxAttachments = 64      // manifests read
	MaxSignatures  = 64      // signatures checked in one manifest
	MaxPayload     = 1 << 20 // bytes of a simple-signing payload
	MaxBundle      = 4 << 20 // bytes of a Sigstore bundle or a DSSE envelope

	maxBlobs  = 256      // blobs fetched for one image, whatever the manifests say
	maxBytes  = 64 << 20 // bytes fetched for one image
	keepBytes = 64 << 10 // a blob up to this size is kept for the manifest's next signature
)
