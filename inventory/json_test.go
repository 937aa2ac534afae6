package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestStrictJSON_refusesWhatParsersDisagreeAbout(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `"key %d":%d,`, i, i)
		}
		return "{" + b.String() + last + "}"
	}
	for name, text := range map[string]string{
		"a key twice":                        `{"a":1,"a":2}`,
		"a key twice, deeper":                `[{"x":{"a":1,"b":[{}],"a":2}}]`,
		"in another case":                    `{"digest":1,"Digest":2}`,
		"spelled otherwise":                  `{"digest":1,"d\u0069gest":2}`,
		"with a long s":                      `{"signatures":1,"\u017fignatures":2}`,
		"with a long s as it is":             `{"signatures":1,"ſignatures":2}`,
		"with a kelvin sign":                 `{"key":1,"\u212aey":2}`,
		"twice among many":                   many(`"key 7":1`),
		"in another case among many":         many(`"KEY 7":1`),
		"with a kelvin sign among many":      many(`"\u212aey 7":1`),
		"in another spelling that is broken": "{\"\xff\":1,\"\xfe\":2}", // both are read as U+FFFD
		"in another case after annotations":  `[{"annotations":{}},{"digest":1,"Digest":2}]`,
		"in another case in a list of them":  `{"annotations":[{"digest":1,"Digest":2}]}`,
		"in another case below annotations":  `{"annotations":{"a":{"b":1,"B":2}}}`,
		"two documents":                      `{} {}`,
		"a document and something":           `{}x`,
		"nothing":                            ``,
		"half of one":                        `{"a":{"b":1}`,
		"an end too many":                    `{"a":1}}`,
		"a string without end":               `{"a`,
		"nested too deep":                    strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		var v any
		if err := StrictJSON([]byte(text), &v); err == nil {
			t.Errorf("%s: %s is taken", name, text)
		}
	}
	for name, text := range map[string]string{
		"another case in annotations": `{"annotations":{"a":"1","A":"2"}}`,
		"the same key elsewhere":      `{"a":{"a":[{"a":1},{"a":2}]},"b":"a"}`,
		"a text that is a key":        `{"a":"b","b":"a","c":["a","a"]}`,
		"a quote in a key":            `{"a\"":1,"a":2}`,
		"many keys":                   many(`"last":1`),
		"nested as deep as may be":    strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		var v any
		if err := StrictJSON([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzStrictJSON holds the check of keys against one that is plain and slow.
func FuzzStrictJSON(f *testing.F) {
	for _, text := range []string{imageText, indexText, `{"annotations":{"a":1,"A":[{"b":"\u0061"}]},"ſ":{}}`, `[1,"\\",{"":null}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v any
		strict, plain := StrictJSON(raw, &v), plainly(raw)
		if (strict == nil) != (plain == nil) {
			t.Errorf("%q: %v, and plainly %v", raw, strict, plain)
		}
	})
}

// plainly is StrictJSON's check by way of tokens.
func plainly(raw []byte) error {
	if !json.Valid(raw) {
		return fmt.Errorf("no JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value func(depth int, free bool) error
	value = func(depth int, free bool) error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		open, ok := token.(json.Delim)
		if !ok {
			return nil
		}
		if depth++; depth > 64 {
			return fmt.Errorf("deep")
		}
		var keys []string
		for d.More() {
			key := ""
			if open == '{' {
				token, err := d.Token()
				if err != nil {
					return err
				}
				key = token.(string)
				for _, k := range keys {
					if k == key || !free && strings.EqualFold(k, key) {
						return fmt.Errorf("twice")
					}
				}
				keys = append(keys, key)
			}
			if err := value(depth, open == '{' && key == "annotations"); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	}
	if err := value(0, false); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more")
	}
	return nil
}

func BenchmarkStrictJSON(b *testing.B) {
	b.SetBytes(int64(len(indexText)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseManifest([]byte(indexText), MediaTypeOCIIndex); err != nil {
			b.Fatal(err)
		}
	}
}
