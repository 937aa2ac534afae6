package inventory

import (
	"testing"
	"time"
)

func TestSignatureAt_runsOutWhenItSaidAndNotBefore(t *testing.T) {
	end := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := Signature{Outcome: OutcomeVerified, Reason: ReasonOK, Expires: &Expiry{At: end, Reason: ReasonSignatureExpired, Message: "It ran out."}}
	if got := s.At(end.Add(-time.Second)); got.Outcome != OutcomeVerified || got.Reason != ReasonOK {
		t.Errorf("a second before its end it is %s, %s", got.Outcome, got.Reason)
	}
	if got := s.At(end); got.Outcome != OutcomeInvalid || got.Reason != ReasonSignatureExpired || got.Message != "It ran out." {
		t.Errorf("at its end it is %s, %s: %s", got.Outcome, got.Reason, got.Message)
	}
	s.Outcome, s.Reason = OutcomeUnverifiable, ReasonRootUnknown
	if got := s.At(end.Add(time.Hour)); got.Outcome != OutcomeUnverifiable || got.Reason != ReasonRootUnknown {
		t.Errorf("one that never verified became %s, %s", got.Outcome, got.Reason)
	}
}
