package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

// binary are the headers of a CloudEvent in binary mode.
func binary(kind string) http.Header {
	return http.Header{"Ce-Type": {kind}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"zotregistry.dev"}, "Content-Type": {"application/json"}}
}

// shapes are the payloads in testdata, and what each names: a - before what was
// deleted, and after @ the host that is meant where it matters.
var shapes = []struct {
	file   string
	header http.Header
	host   string
	want   string
}{
	{file: "distribution.json", want: "team/api -team/web"},
	{file: "distribution-v3.json", want: "team/third"},
	{file: "acr-webhook.json", want: "hello-world"},
	{file: "acr-ping.json"},
	{file: "acr-eventgrid.json", want: "aci-helloworld -old"},
	{file: "acr-cloudevent.json", want: "aci-helloworld"},
	{file: "acr-validation.json"},
	{file: "harbor.json", want: "library/alpine"},
	{file: "harbor-delete.json", want: "-library/alpine"},
	{file: "harbor-quota.json"},
	{file: "harbor-cloudevent.json", want: "library/alpine"},
	{file: "zot.json", header: binary("zotregistry.image.updated"), want: "team/api"},
	{file: "zot.json", header: binary("com.example.registry.image.deleted"), want: "-team/api"},
	{file: "zot.json", header: binary("zotregistry.repository.created"), want: "team/api"},
	{file: "zot.json", header: binary("zotregistry.image.lint_failed")},
	{file: "zot.json", header: binary("zotregistry.image.scanned")},
	{file: "zot-structured.json", want: "-team/api"},
	{file: "quay.json", want: "mynamespace/repository"},
	{file: "quay-old.json", want: "devtable/ubuntu"},
	{file: "dockerhub.json", want: "svendowideit/testhook"},
	{file: "ghcr.json", header: http.Header{"X-Github-Event": {"registry_package"}}, want: "codertocat/hello/docker"},
	{file: "ghcr-package.json", header: http.Header{"X-Github-Event": {"package"}}, want: "codertocat/hello/docker"},
	{file: "ghcr-npm.json", header: http.Header{"X-Github-Event": {"package"}}},
	{file: "quay.json", header: http.Header{"X-Github-Event": {"ping"}}},
	{file: "ecr.json", host: "123456789012.dkr.ecr.us-west-2.amazonaws.com", want: "my-repository-name"},
	{file: "ecr.json", host: "ecr.internal", want: "my-repository-name"},
	{file: "ecr.json", host: "123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
	{file: "ecr.json", host: "999999999999.dkr.ecr.us-west-2.amazonaws.com"},
	{file: "ecr.json", host: "999999999999.dkr-ecr.us-west-2.on.aws"},
	{file: "ecr-delete.json", host: "123456789012.dkr-ecr.us-west-2.on.aws", want: "-my-repository-name"},
	{file: "ecr-scan.json", host: "123456789012.dkr.ecr.us-west-2.amazonaws.com"},
	{file: "artifactregistry.json", host: "us-east1-docker.pkg.dev", want: "my-project/my-repo/hello-world"},
	{file: "artifactregistry.json", host: "europe-docker.pkg.dev"},
	{file: "artifactregistry-unwrapped.json", host: "us-east1-docker.pkg.dev", want: "-my-project/my-repo/hello-world"},
}

func chosen(host string, r *reading) string {
	s := &sender{Registry: Registry{Host: host, Repositories: []inventory.Glob{"**"}}}
	var list []string
	for _, h := range s.choose(r.names) {
		name := h.Repository
		if h.Deleted {
			name = "-" + name
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func TestRead_eachSource(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shapes {
		body, err := os.ReadFile(filepath.Join("testdata", s.file))
		if err != nil {
			t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == s.file })
		r, err := read(s.header, body)
		if err != nil {
			t.Errorf("%s: %v", s.file, err)
			continue
		}
		if got := chosen(s.host, r); got != s.want {
			t.Errorf("%s (%v) for %s names %q, want %q", s.file, s.header, s.host, got, s.want)
		}
		if (r.shake != "") != (s.file == "acr-validation.json") {
			t.Errorf("%s wants %q back", s.file, r.shake)
		}
	}
	if len(files) > 0 {
		t.Errorf("nothing reads %v", files)
	}
}

// TestRead_hostile: what isn't an event is refused, and what is no name of a
// repository is left out.
func TestRead_hostile(t *testing.T) {
	event := func(name string) string {
		return `{"action":"push","target":{"repository":` + string(must(json.Marshal(name))) + `}}`
	}
	many := strings.TrimSuffix(strings.Repeat(event("a")+",", maxEvents+1), ",")
	for what, test := range map[string]struct {
		body string
		want string // "error", or what is named
	}{
		"nothing":                   {"", "error"},
		"null":                      {"null", "error"},
		"a number":                  {"1", "error"},
		"an empty array":            {"[]", "error"},
		"an array of arrays":        {"[[]]", "error"},
		"an empty object":           {"{}", "error"},
		"another object":            {`{"repository":"a"}`, "error"},
		"cut off":                   {`{"events":[` + event("a"), "error"},
		"more after it":             {`{"events":[]} x`, "error"},
		"no events":                 {`{"events":[]}`, ""},
		"events of another type":    {`{"events":{"repository":"a"}}`, "error"},
		"an event of another type":  {`{"events":["a"]}`, "error"},
		"a name of another type":    {`{"events":[{"action":"push","target":{"repository":["a"]}}]}`, "error"},
		"a target of another type":  {`{"events":[{"action":"push","target":"a"}]}`, "error"},
		"deep":                      {strings.Repeat(`{"events":[`, 20_000), "error"},
		"deep and whole":            {strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000), "error"},
		"the same key twice":        {`{"events":[` + event("a") + `],"events":[` + event("b") + `]}`, "b"},
		"a name twice":              {`{"events":[` + event("a") + `,` + event("a") + `]}`, "a"},
		"a name with ..":            {`{"events":[` + event("../../v2/_catalog") + `,` + event("a/../b") + `]}`, ""},
		"a name with HTML":          {`{"events":[` + event("<script>alert(1)</script>") + `,` + event(`a" onload="x`) + `]}`, ""},
		"a name with a line break":  {`{"events":[` + event("a\nb") + `,` + event("a\x00") + `]}`, ""},
		"a name with a host":        {`{"events":[` + event("evil.example.com:5000/a") + `,` + event("http://evil.example.com/a") + `]}`, ""},
		"a name with capitals":      {`{"events":[` + event("Team/API") + `]}`, ""},
		"a name without end":        {`{"events":[` + event(strings.Repeat("a", 256)) + `]}`, ""},
		"an empty name":             {`{"events":[` + event("") + `]}`, ""},
		"the longest name":          {`{"events":[` + event(strings.Repeat("a", 255)) + `]}`, strings.Repeat("a", 255)},
		"too many events":           {`{"events":[` + many + `]}`, "error"},
		"too many in an array":      {`[` + many + `]`, "error"},
		"too many in parts":         {`[{"events":[` + strings.Repeat(event("a")+",", 600) + event("a") + `]},{"events":[` + strings.Repeat(event("a")+",", 600) + event("a") + `]}]`, "error"},
		"base64 that isn't":         {`{"specversion":"1.0","type":"harbor.artifact.pushed","data_base64":"!"}`, "error"},
		"a CloudEvent of others":    {`{"specversion":"1.0","type":"com.example.created","data":{"name":"a"}}`, "error"},
		"a CloudEvent of nothing":   {`{"specversion":"1.0","type":"harbor.artifact.pushed"}`, "error"},
		"a CloudEvent in base64":    {`{"specversion":"1.0","type":"zotregistry.image.updated","data_base64":"eyJuYW1lIjoiYSJ9"}`, "a"},
		"a message that isn't":      {`{"message":{"data":"e30="},"subscription":"s"}`, ""},
		"a message that is nothing": {`{"message":{},"subscription":"s"}`, "error"},
		"a code that is a page":     {`[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"<b>"}}]`, ""},
		"a place for a name":        {`{"action":"INSERT","digest":"/@:"}`, ""},
	} {
		r, err := read(http.Header{}, []byte(test.body))
		if test.want == "error" {
			if err == nil {
				t.Errorf("%s: it was taken, as %+v", what, r.names)
			}
			if strings.HasPrefix(what, "too many") != errors.Is(err, errTooMany) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if got := chosen("", r); got != test.want || r.shake != "" {
			t.Errorf("%s: it names %q, and wants %q back; want %q", what, got, r.shake, test.want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestChoose_staysInsideTheRegistry: a name that the registry isn't configured
// to be looked at for isn't looked at.
func TestChoose_staysInsideTheRegistry(t *testing.T) {
	s := &sender{Registry: Registry{Repositories: []inventory.Glob{"team/*", "library/alpine"}}}
	var names []named
	for _, n := range []string{"team/api", "team/a/b", "other/api", "library/alpine", "library/debian", "team"} {
		names = append(names, named{Hint: inventory.Hint{Repository: n}})
	}
	got := s.choose(names)
	if want := (inventory.Hint{Repository: "team/api"}); len(got) != 2 || got[0] != want || got[1].Repository != "library/alpine" {
		t.Errorf("chosen are %v", got)
	}
	// A push counts more than a deletion of the same.
	for _, order := range [][]bool{{true, false}, {false, true}} {
		var both []named
		for _, deleted := range order {
			both = append(both, named{Hint: inventory.Hint{Repository: "team/api", Deleted: deleted}})
		}
		if got := s.choose(both); len(got) != 1 || got[0].Deleted {
			t.Errorf("a push and a deletion are %v", got)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range shapes {
		body, err := os.ReadFile(filepath.Join("testdata", s.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.header.Get("Ce-Type"), s.header.Get("X-GitHub-Event"), body)
	}
	f.Fuzz(func(t *testing.T, kind, event string, body []byte) {
		header := http.Header{}
		if kind != "" {
			header = binary(kind)
		}
		header.Set("X-GitHub-Event", event)
		r, err := read(header, body)
		if err != nil {
			return
		}
		if len(r.names) > maxEvents {
			t.Errorf("%d names", len(r.names))
		}
		if r.shake != "" && !validationCode.MatchString(r.shake) {
			t.Errorf("it wants %q back", r.shake)
		}
		s := &sender{Registry: Registry{Host: "registry.example.com", Repositories: []inventory.Glob{"**"}}}
		seen := map[string]bool{}
		for _, h := range s.choose(r.names) {
			if !inventory.ValidRepository(h.Repository) || seen[h.Repository] {
				t.Errorf("chosen is %q", h.Repository)
			}
			seen[h.Repository] = true
		}
		again, err := read(header, body)
		if err != nil || fmt.Sprint(len(again.names)) != fmt.Sprint(len(r.names)) {
			t.Errorf("read again it is something else: %v", err)
		}
	})
}
