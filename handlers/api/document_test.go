package api_test

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestDocument_isWhole holds what a generator of clients needs: each call has a
// name of its own, words, its parameters, who may call it and its errors; and
// each schema is one (JSON Schema, draft 2020-12), with nothing in it that isn't
// in the document.
func TestDocument_isWhole(t *testing.T) {
	document := document(t)
	if document["openapi"] != "3.1.0" || document["info"].(map[string]any)["version"] != "v1.2.3" {
		t.Errorf("openapi %v of %v", document["openapi"], document["info"])
	}
	if servers := fmt.Sprint(document["servers"]); servers != "[map[url:/api/v1]]" {
		t.Errorf("servers are %s", servers)
	}
	for _, requirement := range document["security"].([]any) {
		for name := range requirement.(map[string]any) {
			if _, ok := document["components"].(map[string]any)["securitySchemes"].(map[string]any)[name]; !ok {
				t.Errorf("there is no security scheme %s", name)
			}
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("api.json", document); err != nil {
		t.Fatal(err)
	}
	schema := func(tokens ...string) {
		place := "api.json#"
		for _, token := range tokens {
			place += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
		}
		if _, err := compiler.Compile(place); err != nil {
			t.Errorf("%s: %v", place, err)
		}
	}
	for name := range document["components"].(map[string]any)["schemas"].(map[string]any) {
		schema("components", "schemas", name)
	}
	seen := map[string]bool{}
	named := regexp.MustCompile(`\{([^}]+)\}`)
	for path, item := range document["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			o, what := operation.(map[string]any), method+" "+path
			id, _ := o["operationId"].(string)
			if id == "" || seen[id] {
				t.Errorf("%s has the operationId %q, which is none or another's", what, id)
			}
			seen[id] = true
			if fmt.Sprint(o["summary"]) == "" || fmt.Sprint(o["description"]) == "" {
				t.Errorf("%s has no words", what)
			}
			if _, ok := o["security"]; ok {
				t.Errorf("%s has a security of its own: %v", what, o["security"])
			}
			var inPath []string
			parameters, _ := o["parameters"].([]any)
			for i, parameter := range parameters {
				p := parameter.(map[string]any)
				if p["in"] == "path" {
					inPath = append(inPath, p["name"].(string))
				}
				if fmt.Sprint(p["description"]) == "" {
					t.Errorf("%s: the parameter %v has no words", what, p["name"])
				}
				schema("paths", path, method, "parameters", fmt.Sprint(i), "schema")
			}
			var wanted []string
			for _, m := range named.FindAllStringSubmatch(path, -1) {
				wanted = append(wanted, m[1])
			}
			if !slices.Equal(inPath, wanted) {
				t.Errorf("%s has the path parameters %v, want %v", what, inPath, wanted)
			}
			responses := o["responses"].(map[string]any)
			for _, status := range []string{"400", "401", "403", "422", "429", "500", "503"} {
				if _, ok := responses[status]; !ok {
					t.Errorf("%s doesn't say that it may answer %s", what, status)
				}
			}
			for status, response := range responses {
				content, _ := response.(map[string]any)["content"].(map[string]any)
				for kind := range content {
					if status >= "400" && kind != "application/problem+json" || status < "400" && kind == "application/problem+json" {
						t.Errorf("%s answers %s with %s", what, status, kind)
					}
					schema("paths", path, method, "responses", status, "content", kind, "schema")
				}
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("the document has only %v", slices.Sorted(maps.Keys(seen)))
	}
}
