package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"signboard/inventory"
	"signboard/inventory/store/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Run(m)) }

// document is the OpenAPI document as the program serves it.
type document struct {
	*testing.T
	root     map[string]any
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// operation is one call of the document.
type operation struct {
	method, path string
	object       map[string]any
}

func (o operation) String() string { return o.method + " " + o.path }

func (w *world) document() *document {
	w.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(w.get(nobody, "/api/v1/openapi.json").body))
	w.must(err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	w.must(c.AddResource("api.json", doc))
	return &document{T: w.T, root: doc.(map[string]any), compiler: c, compiled: map[string]*jsonschema.Schema{}}
}

// operations are the calls, in an order that stays.
func (d *document) operations() []operation {
	var list []operation
	paths := d.root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			list = append(list, operation{strings.ToUpper(method), path, item[method].(map[string]any)})
		}
	}
	return list
}

// valid holds that a value is what the schema at a place of the document says.
func (d *document) valid(value any, at ...string) error {
	d.Helper()
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	place := "api.json#"
	for _, token := range at {
		place += "/" + url.PathEscape(escape.Replace(token))
	}
	if d.compiled[place] == nil {
		schema, err := d.compiler.Compile(place)
		if err != nil {
			d.Fatalf("the schema %s: %v", place, err)
		}
		d.compiled[place] = schema
	}
	return d.compiled[place].Validate(value)
}

// resolve follows a schema's reference.
func (d *document) resolve(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		return d.root["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
	}
	return schema
}

// check reports what an answer has that the document doesn't allow.
func (d *document) check(o operation, a answer) error {
	if a.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("a failure of ours: %s", a.body)
	}
	response, ok := o.object["responses"].(map[string]any)[fmt.Sprint(a.StatusCode)].(map[string]any)
	if !ok {
		return fmt.Errorf("the status isn't in the document: %s", a.body)
	}
	content, _ := response["content"].(map[string]any)
	if len(content) == 0 {
		if a.body != "" {
			return fmt.Errorf("a body that the document doesn't have: %s", a.body)
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || content[kind] == nil {
		return fmt.Errorf("the Content-Type %q isn't in the document: %s", a.Header.Get("Content-Type"), a.body)
	}
	if a.StatusCode >= http.StatusBadRequest && kind != asProblem {
		return fmt.Errorf("an error that is no problem document: %s", a.body)
	}
	var value any = a.body
	if kind != "text/plain" {
		if value, err = jsonschema.UnmarshalJSON(strings.NewReader(a.body)); err != nil {
			return fmt.Errorf("no JSON: %w: %s", err, a.body)
		}
	}
	if err := d.valid(value, "paths", o.path, strings.ToLower(o.method), "responses", fmt.Sprint(a.StatusCode), "content", kind, "schema"); err != nil {
		return fmt.Errorf("%w: %s", err, a.body)
	}
	return nil
}

// chaos makes requests, some as the document has them and some not.
type chaos struct {
	*document
	*rand.Rand
	known   map[string][]string // values of parameters and properties that are there, by name
	cursors []string
}

// wildText is text that programs stumble over.
var wildText = []string{
	"", " ", "\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\u202e\u200b", "é́", "𝕊", "%", "%00", "%2f", "%252e%252e", "..", "../../etc/passwd", "/", "//", "a//b", "*", "**", "[", "[a-", `\`,
	"'; drop table images; --", `" or 1=1`, "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "null", "true", "[]", "{}", "-1", "0", "1", "200", "201", "1e3", "1e309", "NaN", "Infinity",
	"9223372036854775807", "9223372036854775808", "-9223372036854775809", "0x10", "００１", "1.5", "+1", "1,2", "2026-02-30T00:00:00Z", "0000-00-00", "9999-12-31T23:59:60Z", "sha256:", "sha256:zz",
	"sha512:" + strings.Repeat("0", 128), "key:", "keyless:|", "tuf:a|b", "x509:|", "sgb_", "aW1hZ2VzIA", "aW1hZ2VzIDE", "c2lnbmVycyAx", "c2lnbmVycyAxLgA", "YXVkaXQgLTE", "cXVhcmFudGluZXMgb3ZlciA",
	"cXVhcmFudGluZXMgb3ZlciAxLgA", "cXVhcmFudGluZXMgc3RhbmRpbmcgMS7_", strings.Repeat("a", 300), strings.Repeat("**/", 300) + "a", strings.Repeat("é", 3000), strings.Repeat("x", 40_000),
}

func pick[T any](c *chaos, from []T) T { return from[c.IntN(len(from))] }

// often is true in p of 100 cases.
func (c *chaos) often(p int) bool { return c.IntN(100) < p }

// text is a value for a parameter or property of that name; wild is in how many
// of 100 cases it isn't one that the document allows.
func (c *chaos) text(name string, schema map[string]any, wild int) string {
	if c.often(wild) {
		s := pick(c, wildText)
		if c.often(20) {
			s += pick(c, wildText)
		}
		if c.often(10) {
			b := make([]byte, c.IntN(40))
			for i := range b {
				b[i] = byte(c.Uint32())
			}
			s += string(b)
		}
		return s
	}
	if name == "cursor" && len(c.cursors) > 0 {
		return pick(c, c.cursors)
	}
	if enum, ok := schema["enum"].([]any); ok {
		return fmt.Sprint(pick(c, enum))
	}
	if schema["type"] == "integer" {
		return fmt.Sprint(1 + c.IntN(200))
	}
	if known := c.known[name]; len(known) > 0 {
		return pick(c, known)
	}
	return "x"
}

// value is a JSON value for a schema.
func (c *chaos) value(name string, schema map[string]any, wild, deep int) any {
	schema = c.resolve(schema)
	if c.often(wild) {
		return pick(c, []any{nil, true, -1, 0, 1.5, 1e300, json.Number("9223372036854775808"), json.Number("1e400"), []any{}, map[string]any{}, []any{nil},
			map[string]any{"a": []any{map[string]any{}}}, pick(c, wildText), pick(c, wildText), pick(c, wildText), strings.Repeat("y", 100_000)})
	}
	kind := schema["type"]
	if list, ok := kind.([]any); ok {
		kind = list[0]
	}
	switch kind {
	case "object":
		o := map[string]any{}
		required, _ := schema["required"].([]any)
		properties, _ := schema["properties"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			if slices.Contains(required, any(key)) && !c.often(wild/2) || c.often(50) {
				o[key] = c.value(key, properties[key].(map[string]any), wild, deep+1)
			}
		}
		if c.often(wild / 2) {
			o[pick(c, wildText)] = pick(c, wildText)
		}
		return o
	case "array":
		l := []any{}
		for range c.IntN(4) {
			l = append(l, c.value(name, schema["items"].(map[string]any), wild, deep+1))
		}
		return l
	case "integer":
		return c.IntN(3)
	case "boolean":
		return c.often(50)
	case "number":
		return c.Float64()
	}
	if schema["format"] == "date-time" {
		return pick(c, []string{"2027-01-01T00:00:00Z", "2027-01-01T00:00:00.5+23:59", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"})
	}
	return c.text(name, schema, wild)
}

// body is what a request sends, with its Content-Type.
func (c *chaos) body(schema map[string]any, wild int) ([]byte, string) {
	raw, err := json.Marshal(c.value("", schema, wild/2, 0))
	if err != nil { // a number that JSON has, and Go hasn't
		raw = []byte(`{"reason":1e400}`)
	}
	kind := "application/json"
	if c.often(wild / 3) {
		kind = pick(c, []string{"", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16",
			"application/problem+json", ";;;", "application/json+;x", "a;b+json", "\u00e9", "application/vnd.api+json", "APPLICATION/JSON"})
	}
	if !c.often(wild) {
		return raw, kind
	}
	switch c.IntN(14) {
	case 0:
		raw = nil
	case 1:
		raw = raw[:c.IntN(len(raw)+1)]
	case 2:
		raw = append(raw, raw...)
	case 3:
		raw = bytes.Repeat([]byte("["), 20_000)
	case 4:
		raw = append(append(bytes.Repeat([]byte(`{"a":`), 9_000), '1'), bytes.Repeat([]byte("}"), 9_000)...)
	case 5:
		raw = append([]byte("\xef\xbb\xbf"), raw...)
	case 6:
		raw = []byte{0xff, 0xfe, '{', 0, '}', 0}
	case 7:
		raw = append([]byte(`{"pad":"`), append(bytes.Repeat([]byte("z"), 1<<20), `"}`...)...)
	case 8: // a key twice
		if len(raw) > 2 && raw[0] == '{' {
			raw = append(append([]byte("{"), raw[1:len(raw)-1]...), append([]byte(","), raw[1:]...)...)
		}
	case 9:
		raw = bytes.ReplaceAll(raw, []byte("a"), []byte("\xc3\x28"))
	case 10:
		raw = bytes.ReplaceAll(raw, []byte(`":"`), []byte(`":"\u0000\ud800`))
	case 11:
		raw = []byte(pick(c, []string{"null", "[]", `"x"`, "7", "{}", "{", "}", "{'a':1}", "{\"a\":NaN}", "-", "tru", "[1,]"}))
	case 12:
		raw = []byte(strings.ToUpper(string(raw)))
	case 13:
		raw = append(raw, "  \n\t x"...)
	}
	return raw, kind
}

// request makes one, wild in so many of 100 cases. It is nil when its address is
// one that no server would pass on. routed says whether the address is certainly
// the operation's.
func (c *chaos) request(o operation, wild int) (r *http.Request, routed bool) {
	path, routed := "/api/v1"+o.path, true
	query := []string{}
	parameters, _ := o.object["parameters"].([]any)
	for _, p := range parameters {
		p := p.(map[string]any)
		name, schema := p["name"].(string), c.resolve(p["schema"].(map[string]any))
		switch p["in"] {
		case "path":
			value := c.text(name, schema, wild)
			routed = routed && value != ""
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case "query":
			if p["required"] == true && !c.often(wild/2) || c.often(25) {
				query = append(query, url.QueryEscape(name)+"="+url.QueryEscape(c.text(name, schema, wild)))
			}
		}
	}
	if c.often(wild / 3) {
		query = append(query, pick(c, []string{"x=1", "%zz=1", "limit", "limit=", "limit=1;cursor=2", "=", "&&&", "cursor=%ff", "limit[]=1", "status=trusted&status=trusted", "access_token=sgb_x", "%00=1", "q=%u0041"}))
	}
	r = httptest.NewRequest(o.method, "http://signboard.test/", nil)
	u, err := url.Parse("http://signboard.test" + path)
	if err != nil {
		return nil, false
	}
	r.URL = u
	u.RawQuery = strings.Join(query, "&")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if b, ok := o.object["requestBody"].(map[string]any); ok {
		content := b["content"].(map[string]any)["application/json"].(map[string]any)
		raw, kind := c.body(content["schema"].(map[string]any), wild)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
	} else if c.often(wild / 3) {
		r.Body = io.NopCloser(strings.NewReader(pick(c, wildText)))
	}
	if c.often(wild / 2) {
		r.Header.Set("Accept", pick(c, []string{"*/*", "text/html", "application/xml;q=1", ";", "application/json;q=0", "application/problem+json", strings.Repeat("a/b,", 500)}))
	}
	return r, routed
}

// How often each operation is asked on each database: what PostgreSQL refuses is
// text, which is soon seen.
const onSQLite, onPostgres = 200, 100

// TestAPI_holdsToItsDocument asks every operation of the document for what the
// document allows and for what it doesn't. Whatever is asked, nothing fails here,
// and every answer is one that the document has.
func TestAPI_holdsToItsDocument(t *testing.T) {
	databasetest.OnBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, plan{dsn: dsn})
		approved, held := w.fill()
		d := w.document()
		known := map[string][]string{
			"id": {string(approved.ID), string(keyless.ID), string(unheard.ID), held.ID}, "digest": {string(digest(1)), string(digest(2)), string(digest(3)), string(digest(7))},
			"repository": {"local/pay/api", "local/pay/web", "local/ops/base", "local/**"}, "repositories": {"local/**", "local/pay/**"},
			"team": {"payments", "-"}, "registry": {"local"}, "name": {"local"}, "signer": {string(approved.ID), string(keyless.ID)}, "tag": {"v1", "v2"}, "q": {"api", "base"},
			"reason": {"because"}, "images": {"registry.test/pay/api:v1", "registry.test/pay/web@" + string(digest(3))},
		}
		askings := onSQLite
		if strings.HasPrefix(dsn, "postgres") {
			askings = onPostgres
		}
		for _, o := range d.operations() {
			if o.String() == "DELETE /signers/{id}/decisions/{decision}" { // of a signer that nothing was decided about before
				late := inventory.Signer{ID: inventory.KeylessID("https://issuer.test", "late@example.test"), Kind: inventory.KeylessSigner, Name: "late@example.test"}
				w.look("ops/late", found(8, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody has approved the signer.", []string{"v1"}, late))
				known["id"], known["decision"] = append(known["id"], string(late.ID)), []string{w.propose(late)}
			}
			sum := fnv.New64a()
			sum.Write([]byte(o.String()))
			c := &chaos{document: d, Rand: rand.New(rand.NewPCG(sum.Sum64(), 1)), known: known}
			statuses := map[int]int{}
			for n := range askings {
				wild := []int{0, 0, 10, 40, 80}[n%5]
				r, routed := c.request(o, wild)
				if r == nil {
					continue
				}
				person := admin
				switch {
				case c.often(3):
					person = pick(c, []string{viewer, reviewer, stranger})
				case c.often(2):
					r.Header.Add("Authorization", pick(c, []string{"", "Bearer", "Bearer x", "Basic eDp4", "Bearer sgb_" + strings.Repeat("x", 43), "Bearer " + strings.Repeat("é", 2000)}))
				}
				r.AddCookie(w.cookie(person))
				what := fmt.Sprintf("%s, asking %d: %s", o, n, r.URL.RequestURI())
				if len(what) > 400 {
					what = what[:400] + "…"
				}
				a := w.send(r.WithContext(t.Context()))
				statuses[a.StatusCode]++
				var err error
				if routed {
					err = d.check(o, a)
				} else if a.StatusCode >= 500 || a.Header.Get("Content-Type") != asProblem {
					err = fmt.Errorf("%q: %s", a.Header.Get("Content-Type"), a.body)
				}
				if err != nil {
					t.Errorf("%s: %d: %v", what, a.StatusCode, clipped(err.Error()))
				}
				if lines := w.log.errors(); len(lines) > 0 {
					t.Fatalf("%s logged errors: %s", what, clipped(strings.Join(lines, "")))
				}
				var list struct {
					Next *string `json:"next_cursor"`
				}
				if json.Unmarshal([]byte(a.body), &list) == nil && list.Next != nil && len(c.cursors) < 50 {
					c.cursors = append(c.cursors, *list.Next)
				}
				if t.Failed() && len(statuses) > 20 {
					t.FailNow()
				}
			}
			t.Logf("%s: %v", o, statuses)
			if statuses[200]+statuses[201]+statuses[202]+statuses[204] == 0 {
				t.Errorf("%s was never answered, so little is known of it: %v", o, statuses)
			}
			if statuses[http.StatusBadRequest]+statuses[http.StatusUnprocessableEntity]+statuses[http.StatusNotFound] == 0 {
				t.Errorf("%s refused nothing of what no document allows: %v", o, statuses)
			}
		}
	})
}

func clipped(s string) string {
	if len(s) > 1500 {
		return s[:1500] + "…"
	}
	return s
}

// propose has an approval of a signer wait for a second reviewer, and answers its
// id.
func (w *world) propose(s inventory.Signer) string {
	w.Helper()
	seen := w.signer(s.ID).Revision
	d := inventory.Decision{ID: "a-proposal", Signer: s.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"local/**"}, Reason: "because",
		State: inventory.StateProposed, DecidedBy: []inventory.Decider{{Name: second, Subject: "https://id.test|" + second, At: noon}}, Revision: seen + 1}
	w.must(w.db.RecordDecision(w.Context(), d, seen, nil, inventory.AuditEntry{At: noon, Action: "signer.propose", Object: string(s.ID), Reason: d.Reason}))
	return d.ID
}
