package inventory

import (
	"testing"
	"time"
)

func TestStandingAt(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	decided := func(verb Verb, state DecisionState, until *time.Time) Decision {
		return Decision{Verb: verb, State: state, ExpiresAt: until}
	}
	for name, test := range map[string]struct {
		decisions []Decision
		want      Standing
	}{
		"nothing decided":               {nil, Pending},
		"only proposed":                 {[]Decision{decided(Approve, StateProposed, nil)}, Pending},
		"approved":                      {[]Decision{decided(Approve, StateActive, nil)}, Approved},
		"approved for a while":          {[]Decision{decided(Approve, StateActive, &future)}, Approved},
		"ran out":                       {[]Decision{decided(Approve, StateActive, &past)}, Expired},
		"one ran out, one stands":       {[]Decision{decided(Approve, StateActive, &past), decided(Approve, StateActive, nil)}, Approved},
		"revoked":                       {[]Decision{decided(Revoke, StateActive, nil), decided(Approve, StateRevoked, nil)}, Revoked},
		"revoked, approved again":       {[]Decision{decided(Approve, StateActive, nil), decided(Revoke, StateActive, nil)}, Approved},
		"revoked, proposed again":       {[]Decision{decided(Approve, StateProposed, nil), decided(Revoke, StateActive, nil)}, Revoked},
		"rejected":                      {[]Decision{decided(Reject, StateActive, nil)}, Rejected},
		"rejected, then approval ended": {[]Decision{decided(Approve, StateActive, &past), decided(Reject, StateActive, nil)}, Expired},
	} {
		if got := StandingAt(test.decisions, now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestSignerID_Valid(t *testing.T) {
	for id, want := range map[SignerID]bool{
		KeyID(DigestOf(nil)): true,
		KeylessID("https://issuer.example", "dev@example.com"): true,
		X509ID(DigestOf(nil), "CN=a"):                          true,
		"key:sha256:abc":                                       false,
		"key:":                                                 false,
		"keyless:nothing":                                      false,
		"other:a|b":                                            false,
		"":                                                     false,
	} {
		if got := id.Valid(); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}

func TestActor_deniesByDefault(t *testing.T) {
	permissions := []Permission{See, DecideSigner, DecideQuarantine, SyncNow, ManageTokens, "something new"}
	for role, may := range map[Role]int{Nobody: 0, Viewer: 1, Reviewer: 4, Admin: 5} {
		n := 0
		for _, p := range permissions {
			if (Actor{Role: role}).May(p) {
				n++
			}
		}
		if n != may {
			t.Errorf("%s has %d permissions, want %d", role, n, may)
		}
	}
}

func TestVisible_showsWhatHides(t *testing.T) {
	for s, want := range map[string]string{
		"plain name":     "plain name",
		"a\nb":           "a⟨U+000A⟩b",
		"a\u202eb":       "a⟨U+202E⟩b",
		"a\u200bb":       "a⟨U+200B⟩b",
		"a\u00a0b":       "a⟨U+00A0⟩b",
		"日本語 é":          "日本語 é",
		"bad\xffutf8":    "bad⟨U+FFFD⟩utf8",
		"<b>&amp;</b>":   "<b>&amp;</b>", // escaping is the page's business
		"\u2066isolated": "⟨U+2066⟩isolated",
	} {
		if got := Visible(s); got != want {
			t.Errorf("Visible(%q) = %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]bool{"payments": false, "p\u0430yments": true, "a\u202eb": true, "Ωmega": true, "платежи": false, "日本": false} {
		if got := Suspicious(s); got != want {
			t.Errorf("Suspicious(%q) = %v", s, got)
		}
	}
}

func TestParseDigest_refuses(t *testing.T) {
	for _, s := range []string{"", "sha256", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha256:AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", someDigest + "a", someDigest[:70] + "/"} {
		if d, err := ParseDigest(s); err == nil {
			t.Errorf("%q was accepted as %q", s, d)
		}
	}
	if _, err := ParseDigest(someDigest); err != nil {
		t.Error(err)
	}
}
