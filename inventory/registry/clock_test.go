package registry

import (
	"net/http"
	"testing"
	"time"
)

func TestSkew(t *testing.T) {
	asked := time.Date(2026, 3, 1, 12, 0, 0, 700e6, time.UTC)
	answered := asked.Add(2 * time.Second)
	for name, c := range map[string]struct {
		date, age string
		ahead     time.Duration
		known     bool
	}{
		"the same":                {"Sun, 01 Mar 2026 12:00:01 GMT", "", 0, true},
		"the second it was asked": {"Sun, 01 Mar 2026 12:00:00 GMT", "", 0, true},
		"a day ahead":             {"Mon, 02 Mar 2026 12:00:02 GMT", "", 24*time.Hour - 700*time.Millisecond, true},
		"a day behind":            {"Sat, 28 Feb 2026 12:00:00 GMT", "", -24*time.Hour - 700*time.Millisecond, true},
		"from a cache":            {"Sat, 28 Feb 2026 12:00:00 GMT", "86400", 0, false},
		"none":                    {"", "", 0, false},
		"nonsense":                {"yesterday", "", 0, false},
	} {
		s := &skew{}
		s.note(http.Header{"Date": {c.date}, "Age": {c.age}}, asked, answered)
		d := s.known.Load()
		if (d != nil) != c.known || d != nil && *d != c.ahead {
			t.Errorf("%s: %v", name, d)
		}
	}
}
