package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTokenSecret_hasItsForm(t *testing.T) {
	form := regexp.MustCompile(`^sgb_[0-9A-Za-z]{38}$`)
	seen, letters := map[TokenSecret]bool{}, map[byte]int{}
	for range 2000 {
		s := NewTokenSecret()
		if !form.MatchString(string(s)) {
			t.Fatalf("%q", string(s))
		}
		if seen[s] {
			t.Fatal("the same secret twice")
		}
		seen[s] = true
		if parsed, err := ParseTokenSecret(string(s)); err != nil || parsed != s {
			t.Fatalf("its own secret: %v", err)
		}
		for _, c := range []byte(s[4:36]) {
			letters[c]++
		}
	}
	// 64,000 letters: about 1,032 of each, and a standard deviation of 32.
	for i := range base62 {
		if n := letters[base62[i]]; n < 830 || n > 1235 {
			t.Errorf("%c was drawn %d times", base62[i], n)
		}
	}
}

// TestTokenSecret_isWhatScannersWereTold holds the checksum against values that
// were worked out from the description by a program in another language.
func TestTokenSecret_isWhatScannersWereTold(t *testing.T) {
	for _, s := range []string{
		"sgb_" + "00000000000000000000000000000000" + "2wjyrI",
		"sgb_" + "SignboardSignboardSignboardSignb" + "1cGQOf",
		"sgb_" + "00000000000000000000000000000172" + "00YwDE",
	} {
		if _, err := ParseTokenSecret(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestParseTokenSecret_refuses(t *testing.T) {
	good := string(NewTokenSecret())
	other := byte('x')
	if good[10] == other {
		other = 'y'
	}
	for name, s := range map[string]string{
		"nothing":                "",
		"the prefix":             "sgb_",
		"another prefix":         "ghp_" + good[4:],
		"a capital prefix":       "SGB_" + good[4:],
		"one letter fewer":       good[:len(good)-1],
		"one letter more":        good + "0",
		"a changed letter":       good[:10] + string(other) + good[11:],
		"two letters exchanged":  good[:4] + reversed(good[4:36]) + good[36:],
		"another sign":           good[:10] + "-" + good[11:],
		"a letter of two bytes":  good[:10] + "é" + good[12:],
		"a space before":         " " + good,
		"a line break after":     good + "\n",
		"no checksum but zeroes": good[:36] + "000000",
	} {
		got, err := ParseTokenSecret(s)
		if got != "" || KindOf(err) != Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
		if len(s) > 8 && err != nil && strings.Contains(err.Error(), s[4:12]) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

func TestTokenSecret_isNotPrinted(t *testing.T) {
	s := NewTokenSecret()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "secret", s, "pointer", &s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "secret", s)
	asJSON, err := json.Marshal(map[string]any{"secret": s})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"log": log.String(), "json": string(asJSON), "v": fmt.Sprintf("%v", s), "s": fmt.Sprintf("to %s", s), "q": fmt.Sprintf("%q", s),
		"#v": fmt.Sprintf("%#v", s), "+v": fmt.Sprintf("%+v", struct{ S TokenSecret }{s}), "error": fmt.Errorf("with %v", s).Error(),
	} {
		if strings.Contains(text, string(s[4:])) || !strings.Contains(text, "sgb_") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestToken_stands(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	before, after := now.Add(-time.Millisecond), now.Add(time.Millisecond)
	for name, c := range map[string]struct {
		token Token
		want  TokenState
	}{
		"without an end":       {Token{}, TokenLive},
		"before its end":       {Token{ExpiresAt: &after}, TokenLive},
		"at its end":           {Token{ExpiresAt: &now}, TokenExpired},
		"after its end":        {Token{ExpiresAt: &before}, TokenExpired},
		"revoked":              {Token{RevokedAt: &now}, TokenRevoked},
		"revoked and expired":  {Token{RevokedAt: &before, ExpiresAt: &before}, TokenRevoked},
		"revoked while it was": {Token{RevokedAt: &before, ExpiresAt: &after}, TokenRevoked},
	} {
		if got := c.token.StateAt(now); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
