package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"signboard/handlers/api"
	"signboard/inventory"
)

// objects are the contract's, word for word where it writes them out: a value
// with strokes is the words that a field can say, and ? marks a field that is
// there or not.
var objects = map[string]string{
	"Image":        contract,
	"Summary":      `{"images":1,"by_status":{},"quarantined":1,"signers":{},"stale":1,"last_sync":"time"}`,
	"SignerDetail": `{"id":"…","kind":"key|keyless|x509|tuf","name":"…","standing":"approved|pending|rejected|revoked|expired"}`,
	"Decision": `{"id":"…","signer":"…","decision":"approve|reject|revoke","repositories":["…"],"reason":"…","expires_at":"…",
		"state":"proposed|active|rejected|revoked|expired","decided_by":[{"name":"…","at":"…"}],"revision":1}`,
	"Quarantine": `{"id":"…","digest":"…","repository":"…","tag":"…","reason":"…","by":"…","at":"…","expires_at":"…","released_at":"…"}`,
	"AuditEntry": `{"index":1,"at":"…","actor":{"kind":"user|token|system","name":"…"},"action":"…","object":"…","reason":"…","before":"…","after":"…","address":"…"}`,
	"Impact": `{"revision":1,"changes":[{"from":"trusted|unapproved|unverifiable|invalid|unsigned|unknown","to":"trusted|unapproved|unverifiable|invalid|unsigned|unknown","images":1}],
		"examples":[{}]}`,
	"Answer": `{"allowed":true,"decided":true,"images":[{"reference":"…","digest":"…","allowed":true,
		"status":"trusted|unapproved|unverifiable|invalid|unsigned|unknown","reason":"…","message":"…"}]}`,
	"ListImage": `{"items":[{}],"next_cursor":"…"}`,
	"Problem":   `{"type":"…","title":"…","status":1,"detail":"…","instance":"…"}`,
}

// made is one of each object with something in every field.
func made() map[string]any {
	until := noon.Add(time.Hour)
	d := inventory.Decision{ID: "d", Signer: "tuf:a|b", Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "because", ExpiresAt: &until,
		State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Dana", Subject: "https://id.test|1", At: noon}}, Revision: 1}
	cursor := "x"
	return map[string]any{
		"Image":        api.NewImage(whole(), "registry.example.com"),
		"Summary":      api.NewSummary(inventory.Counts{Images: 1, ByStatus: map[inventory.Status]int{inventory.Trusted: 1}}, nil, &noon),
		"SignerDetail": api.NewSignerDetail(inventory.Signer{ID: "tuf:a|b", Name: "b", Decisions: []inventory.Decision{d}}, []string{"payments"}, noon),
		"Decision":     api.NewDecision(d, noon),
		"Quarantine":   api.NewQuarantine(inventory.Quarantine{ID: "q", Repository: "local/a", Tag: "v1", Reason: "a flaw", By: "Dana", At: noon, ExpiresAt: &until, ReleasedAt: &until}),
		"AuditEntry":   api.NewAuditEntry(inventory.AuditEntry{At: noon, Actor: inventory.Actor{Kind: inventory.UserActor, Name: "Dana", Subject: "https://id.test|1"}, Action: "signer.approve"}),
		"Impact": api.NewImpact(inventory.Impact{Revision: 1, Tally: inventory.Tally{Changes: []inventory.Change{{From: inventory.Unapproved, To: inventory.Trusted, Images: 1}}},
			Examples: []inventory.ChangedImage{{Image: whole(), From: inventory.Unapproved, To: inventory.Trusted}}}),
		"Answer":    api.NewAnswer(inventory.Answer{Images: []inventory.ImageAnswer{{Reference: "a", Status: inventory.Unknown}}}),
		"ListImage": api.List[api.Image]{Items: []api.Image{api.NewListedImage(whole())}, NextCursor: &cursor},
		"Problem":   api.Problem{Status: 404},
	}
}

// parsed is JSON as a program reads it.
func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

func contractOf(t *testing.T, name string) map[string]any {
	t.Helper()
	return parsed(t, strings.NewReplacer("|null", "", "{…}", "{}").Replace(objects[name]))
}

func TestObjects_haveEveryFieldOfTheContract(t *testing.T) {
	for name, object := range made() {
		b, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		want, got := contractOf(t, name), parsed(t, string(b))
		if name == "Quarantine" { // of a tag, so there is no digest
			if _, ok := got["digest"]; ok {
				t.Errorf("a quarantine of a tag has a digest: %s", b)
			}
			delete(want, "digest")
		}
		covers(t, name, want, got)
		if strings.Contains(string(b), "https://id.test") {
			t.Errorf("%s tells the provider's id of a person: %s", name, b)
		}
	}
}

// TestDocument_saysWhatTheContractSays holds the OpenAPI document against the
// contract: the fields of each object, and the words that each can say.
func TestDocument_saysWhatTheContractSays(t *testing.T) {
	document := document(t)
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	for name := range objects {
		schema, ok := schemas[name].(map[string]any)
		if !ok {
			t.Errorf("the document has no %s", name)
			continue
		}
		says(t, schemas, name, contractOf(t, name), schema)
	}
}

func document(t *testing.T) map[string]any {
	t.Helper()
	r := chi.NewRouter()
	r.Route(api.Root, func(r chi.Router) { api.API{Version: "v1.2.3"}.Routes(r) })
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, api.Root+"/openapi.json", nil))
	return parsed(t, recorder.Body.String())
}

// says holds that a schema has the contract's fields and words.
func says(t *testing.T, schemas map[string]any, at string, want any, schema map[string]any) {
	t.Helper()
	if either, ok := schema["anyOf"].([]any); ok { // or null
		schema = either[0].(map[string]any)
	}
	if ref, ok := schema["$ref"].(string); ok {
		schema = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
	switch want := want.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for key, value := range want {
			property, ok := properties[key].(map[string]any)
			if !ok {
				t.Errorf("%s has no %q in the document", at, key)
				continue
			}
			says(t, schemas, at+"."+key, value, property)
		}
	case []any:
		items, ok := schema["items"].(map[string]any)
		if !ok || schema["type"] != "array" {
			t.Errorf("%s is no list in the document but %v", at, schema["type"])
			return
		}
		says(t, schemas, at+"[]", want[0], items)
	case string:
		if !strings.Contains(want, "|") {
			return
		}
		words := strings.Split(want, "|")
		var got []string
		enum, _ := schema["enum"].([]any)
		for _, word := range enum {
			if word != nil {
				got = append(got, word.(string))
			}
		}
		slices.Sort(words)
		slices.Sort(got)
		if !slices.Equal(words, got) {
			t.Errorf("%s can say %v in the document, and in the contract %v", at, got, words)
		}
	}
}
