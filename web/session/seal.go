package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// tokens are what the provider handed out and what has to be kept of it: to ask
// again about the person, and to sign out there.
type tokens struct {
	Refresh string `json:"refresh,omitempty"`
	ID      string `json:"id,omitempty"` // the ID token, to the letter
}

// seal encrypts tokens with a key that follows from the session's own token. The
// database holds that one's hash only, so nobody opens them but a request that
// brings the cookie.
func seal(token string, t tokens) (string, error) {
	if t == (tokens{}) {
		return "", nil
	}
	plain, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("sealing a session: %w", err)
	}
	box, err := sealer(token)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(box.Seal(nil, nil, plain, nil)), nil
}

// unseal opens what seal made with the same token.
func unseal(token, sealed string) (tokens, error) {
	if sealed == "" {
		return tokens{}, nil
	}
	box, err := sealer(token)
	if err != nil {
		return tokens{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return tokens{}, fmt.Errorf("opening a sealed session: %w", err)
	}
	plain, err := box.Open(nil, nil, raw, nil)
	if err != nil {
		return tokens{}, fmt.Errorf("opening a sealed session: %w", err)
	}
	var t tokens
	return t, json.Unmarshal(plain, &t)
}

// sealer is AES-256-GCM with a nonce drawn for each seal. The key comes by HKDF
// (RFC 5869) from the token, which is 256 bits of chance already.
func sealer(token string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(token), nil, "signboard session: the provider's tokens", 32)
	if err != nil {
		return nil, fmt.Errorf("sealing a session: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing a session: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
