package metrics

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/prometheus/prometheus/promql/parser"
)

// series are the names of all numbers with their labels' names, as one who
// scrapes sees them.
func series(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(signboard_\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(scrape(t, whole()), -1) {
		var names []string
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			names = append(names, label[1])
		}
		found[m[1]] = names
	}
	if len(found) < 30 {
		t.Fatalf("only these were found: %v", slices.Sorted(maps.Keys(found)))
	}
	return found
}

// rules is a file of rules, as Prometheus reads it: it refuses other keys.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

// TestAlerts_areRulesOverNumbersThatThereAre parses deploy/alerts.yaml with
// Prometheus' own parser, and holds every name and label in it against what is
// scraped.
func TestAlerts_areRulesOverNumbersThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	strict := json.NewDecoder(bytes.NewReader(again))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&file); err != nil {
		t.Fatal(err)
	}
	known, seen := series(t), map[string]bool{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%q: an alert has a name of its own, a summary and a severity", r.Alert)
			}
			seen[r.Alert] = true
			if _, err := time.ParseDuration(strings.ReplaceAll(r.For, "d", "h")); r.For != "" && err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
			expr, err := parser.ParseExpr(r.Expr)
			if err != nil {
				t.Errorf("%s: %v", r.Alert, err)
				continue
			}
			parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
				v, ok := node.(*parser.VectorSelector)
				if !ok {
					return nil
				}
				have, ok := known[v.Name]
				if !ok {
					t.Errorf("%s asks for %s, which there is not", r.Alert, v.Name)
				}
				for _, m := range v.LabelMatchers {
					if m.Name != "__name__" && !slices.Contains(have, m.Name) {
						t.Errorf("%s: %s has no label %s", r.Alert, v.Name, m.Name)
					}
				}
				return nil
			})
			for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"], -1) {
				if label[1] != "instance" && !strings.Contains(r.Expr, label[1]) {
					t.Errorf("%s: its summary names the label %s, which its expression doesn't keep", r.Alert, label[1])
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts were read", len(seen))
	}
}

// TestDocumentation_namesEveryNumber holds the tables of docs/running.md against
// what is scraped, names and labels, both ways.
func TestDocumentation_namesEveryNumber(t *testing.T) {
	page, err := os.ReadFile("../../docs/running.md")
	if err != nil {
		t.Fatal(err)
	}
	known := series(t)
	for name := range known { // a histogram is written as one
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, part); ok && strings.HasSuffix(base, "_seconds") {
				if labels := slices.DeleteFunc(slices.Clone(known[name]), func(l string) bool { return l == "le" }); known[base] == nil {
					known[base] = labels
				}
				delete(known, name)
			}
		}
	}
	written := map[string]bool{}
	for _, m := range regexp.MustCompile("`(signboard_\\w+)(?:\\{([a-z,]*)\\})?`").FindAllStringSubmatch(string(page), -1) {
		written[m[1]] = true
		have, ok := known[m[1]]
		if !ok {
			t.Errorf("the page names %s, which there is not", m[1])
			continue
		}
		if m[2] == "" {
			continue
		}
		want := strings.Split(m[2], ",")
		slices.Sort(want)
		if have = slices.Sorted(slices.Values(have)); !slices.Equal(have, want) {
			t.Errorf("%s has the labels %v, the page says %v", m[1], have, want)
		}
	}
	for name := range known {
		if !written[name] {
			t.Errorf("the page doesn't name %s", name)
		}
	}
}
