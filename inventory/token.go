package inventory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"log/slog"
	"strings"
	"time"
)

// Token lets a program ask for what its role may see and do, until it expires
// or is revoked. Its secret is shown once, to whoever makes it, and kept nowhere.
type Token struct {
	ID   string
	Name string // no two live tokens have the same
	Role Role
	// Subject is who decides when the token does: the person who made it, so that
	// somebody and their token are one person where two have to agree; for one
	// that the command made, itself.
	Subject      string
	CreatedAt    time.Time
	CreatedBy    string
	ExpiresAt    *time.Time // nil: never
	LastUsedAt   *time.Time // to about a minute; nil: not yet
	LastUsedFrom string     // the address of that request
	RevokedAt    *time.Time
	RevokedBy    string
}

// TokenState is where a token stands.
type TokenState string

const (
	TokenLive    TokenState = "live"
	TokenExpired TokenState = "expired"
	TokenRevoked TokenState = "revoked"
)

// StateAt is the state at a moment. A revoked token stays revoked.
func (t Token) StateAt(now time.Time) TokenState {
	switch {
	case t.RevokedAt != nil:
		return TokenRevoked
	case t.ExpiresAt != nil && !now.Before(*t.ExpiresAt):
		return TokenExpired
	}
	return TokenLive
}

// Actor is the token as who is asking.
func (t Token) Actor(address string) Actor {
	return Actor{Kind: TokenActor, Name: t.Name, Subject: t.Subject, Role: t.Role, Address: address}
}

// TokenSecret is what a program sends: sgb_, then 32 letters and digits drawn at
// random (190 bits), then six more that are the CRC-32 (IEEE) of those 32,
// written to the base 62 with the digits 0-9, A-Z, a-z and leading zeros. In all
// it matches ^sgb_[0-9A-Za-z]{38}$. The prefix lets secret scanners find one in a
// source tree and the checksum lets them be sure; a mistyped one is told apart
// without asking the database. The checksum keeps no secret and proves nothing.
//
// Printing or logging one shows its prefix only; string(s) is the whole of it.
type TokenSecret string

const (
	tokenPrefix = "sgb_"
	tokenRandom = 32 // letters and digits, each of log2(62) bits
	tokenSum    = 6  // 62^6 is more than 2^32
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewTokenSecret draws a secret.
func NewTokenSecret() TokenSecret {
	body := make([]byte, 0, tokenRandom)
	var drawn [2 * tokenRandom]byte
	for len(body) < tokenRandom {
		rand.Read(drawn[:]) // never fails
		for _, b := range drawn {
			// Of the bytes only the largest multiple of 62 is used, so that each
			// letter is as likely as any other.
			if b < 4*62 && len(body) < tokenRandom {
				body = append(body, base62[b%62])
			}
		}
	}
	return TokenSecret(tokenPrefix + string(body) + tokenChecksum(string(body)))
}

// ParseTokenSecret accepts what has the form of a secret, checksum included. Its
// errors never hold what was sent.
func ParseTokenSecret(s string) (TokenSecret, error) {
	body, ok := strings.CutPrefix(s, tokenPrefix)
	switch {
	case !ok:
		return "", Errorf(Unauthorized, "This isn't a token of Signboard: those begin with %s.", tokenPrefix)
	case len(body) != tokenRandom+tokenSum || strings.ContainsFunc(body, func(r rune) bool { return !strings.ContainsRune(base62, r) }):
		return "", Errorf(Unauthorized, "This token isn't whole: %s is followed by %d letters and digits.", tokenPrefix, tokenRandom+tokenSum)
	case tokenChecksum(body[:tokenRandom]) != body[tokenRandom:]:
		return "", Errorf(Unauthorized, "This token is mistyped or cut: its last characters don't fit the others.")
	}
	return TokenSecret(s), nil
}

func tokenChecksum(body string) string {
	var sum [tokenSum]byte
	n := crc32.ChecksumIEEE([]byte(body))
	for i := range sum {
		sum[tokenSum-1-i] = base62[n%62]
		n /= 62
	}
	return string(sum[:])
}

// Hash is the secret's sha256 in hex, which is all that is kept of it. A slow
// hash is for passwords, which people choose and which can be guessed; 190
// random bits can't be, however fast one guess is.
func (s TokenSecret) Hash() string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// String hides the secret.
func (s TokenSecret) String() string { return tokenPrefix + "…" }

// GoString hides the secret.
func (s TokenSecret) GoString() string { return s.String() }

// LogValue hides the secret.
func (s TokenSecret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret.
func (s TokenSecret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
