package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/check"
)

// peers stands for the registries, which nobody runs here: v1 of pay/api is what
// the inventory knows of it, and nothing else can be read.
type peers struct{}

func (peers) Resolve(_ context.Context, registry, repository, tag string) (inventory.Digest, error) {
	if repository == "pay/api" && tag == "v1" {
		return digest(1), nil
	}
	return "", &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry doesn't answer."}
}

func (peers) Alone(context.Context, string, string, inventory.Digest) (inventory.ImageFinding, error) {
	return inventory.ImageFinding{}, &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry doesn't answer."}
}

func (peers) TrustRevision(context.Context, string) (int64, error) { return 1, nil }

func (w *world) gate() *check.Gate {
	return check.New(w.db, peers{}, located, check.Options{Clock: func() time.Time { return noon }})
}

func located(typed string) (check.Place, error) {
	rest, ok := strings.CutPrefix(typed, "local/")
	if !ok {
		return check.Place{}, inventory.Errorf(inventory.Invalid, "%q is in no configured registry.", inventory.Visible(typed))
	}
	repository, at, _ := strings.Cut(rest, "@")
	if at == "" {
		repository, at, _ = strings.Cut(rest, ":")
	}
	return check.Place{Registry: "local", Repository: repository, At: at, Interval: 3600e9}, nil
}

func TestAPI_check(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	ask := func(images ...string) answer {
		t.Helper()
		quoted := make([]string, len(images))
		for i, image := range images {
			quoted[i] = fmt.Sprintf("%q", image)
		}
		return w.json(viewer, "POST", "/api/v1/check", `{"images":[`+strings.Join(quoted, ",")+`]}`)
	}
	a := ask("local/pay/api:v1")
	if a.StatusCode != http.StatusOK || a.body != `{"allowed":true,"decided":true,"images":[{"reference":"local/pay/api:v1","digest":"`+string(digest(1))+
		`","allowed":true,"decided":true,"status":"trusted","reason":"ok","message":"Signed by release pipeline, who is approved for this repository.","checked_at":"2026-11-21T12:00:00Z"}]}`+"\n" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for reference, want := range map[string]string{
		"local/pay/api@" + string(digest(2)):  `"decided":true,"status":"unapproved","reason":"signer_not_approved"`,
		"local/ops/base@" + string(digest(7)): `"decided":true,"status":"unsigned","reason":"quarantined","message":"Quarantined by Eric: holds a secret"`,
		"local/pay/api:v9":                    `"digest":"","allowed":false,"decided":false,"status":"unknown","reason":"registry_unreachable"`,
		"elsewhere.test/x":                    `"decided":false,"status":"unknown","reason":"not_checked","message":"\"elsewhere.test/x\" is in no configured registry."`,
	} {
		if a := ask(reference); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, `{"allowed":false`) || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", reference, a.StatusCode, a.body, want)
		}
	}
	for body, status := range map[string]int{
		`{"images":[]}`: 422, `{}`: 422, `{"images":"x"}`: 422, `{"images":[null]}`: 422, `[]`: 422, `{"images":["x"],"role":"admin"}`: 422,
		`{"images":["` + strings.Repeat("x", 1001) + `"]}`: 422, `{"images":[` + strings.Repeat(`"x",`, check.MaxImages) + `"x"]}`: 422, `{"images":["`: 400,
	} {
		w.json(viewer, "POST", "/api/v1/check", body).problem(t, status)
	}
	// One account is used up, and others are not.
	many := strings.Repeat(`"x",`, check.MaxImages-1) + `"x"`
	for n := 0; ; n++ {
		a := w.json(viewer, "POST", "/api/v1/check", `{"images":[`+many+`]}`)
		if a.StatusCode == http.StatusOK && n < 10 {
			continue
		}
		if detail := a.problem(t, http.StatusTooManyRequests); !strings.Contains(detail, "Ask again in") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%q, Retry-After %q", detail, a.Header.Get("Retry-After"))
		}
		break
	}
	if a := w.json(reviewer, "POST", "/api/v1/check", `{"images":[`+many+`]}`); a.StatusCode != http.StatusOK {
		t.Errorf("somebody else: %d", a.StatusCode)
	}
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
}

// locatedAt is located, for the pages.
func locatedAt(typed string) (repository, at string, err error) {
	place, err := located(typed)
	return "local/" + place.Repository, place.At, err
}
