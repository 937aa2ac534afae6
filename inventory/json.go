package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// StrictJSON decodes one JSON value and refuses what lenient parsers disagree
// about: an object with the same key twice, keys that differ only in case
// (encoding/json would take either; annotations, which are free text, may), and
// anything after the value. Unknown keys are allowed. Nesting deeper than 64 is
// refused.
func StrictJSON(raw []byte, into any) error {
	if err := checkKeys(raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, into) // which refuses what isn't one JSON value
}

// object is an object or, without keys, an array that a JSON text is inside of.
type object struct {
	keyed bool
	free  bool // keys are data: case matters
	next  bool // a string that comes now is a key
	first int  // its first key among those that are open
	seen  map[string]bool
}

const (
	maxJSONDepth = 64
	fewKeys      = 16 // more are looked up rather than compared
)

var errJSONEnds = errors.New("the document ends too early, or too late")

// checkKeys refuses keys that come twice, and what is nested too deep. It sees
// every key of a text that is JSON; of another it may see anything.
func checkKeys(raw []byte) error {
	var (
		depth  = 0
		stack  [maxJSONDepth]object
		buffer [2 * fewKeys][]byte
		keys   = buffer[:0] // of all objects that are open
		last   []byte       // the key whose value comes now
	)
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if depth == maxJSONDepth {
				return fmt.Errorf("nested deeper than %d", maxJSONDepth)
			}
			o := &stack[depth]
			*o = object{keyed: raw[i] == '{', first: len(keys), free: string(last) == "annotations"}
			o.next = o.keyed
			depth++
			last = nil
		case '}', ']':
			if depth == 0 {
				return errJSONEnds
			}
			depth--
			keys = keys[:stack[depth].first]
			last = nil
		case ',':
			if depth > 0 {
				stack[depth-1].next = stack[depth-1].keyed
			}
			last = nil
		case '"':
			end, plain := stringEnd(raw, i)
			if end < 0 {
				return errJSONEnds
			}
			if depth > 0 && stack[depth-1].next {
				key := raw[i+1 : end]
				if !plain {
					var text string
					if err := json.Unmarshal(raw[i:end+1], &text); err != nil {
						return err
					}
					key = []byte(text)
				}
				o := &stack[depth-1]
				o.next = false
				if o.has(key, keys[o.first:]) {
					return fmt.Errorf("the key %q appears twice", clip(string(key), 80))
				}
				keys = append(keys, key)
				last = key
			}
			i = end
		}
	}
	return nil
}

// stringEnd is where the string ends that begins at a quote, -1 when it doesn't.
// A plain one stands for itself: no escapes, nothing but ASCII.
func stringEnd(raw []byte, at int) (end int, plain bool) {
	plain = true
	for i := at + 1; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			return i, plain
		case c == '\\':
			plain = false
			i++
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return -1, false
}

// has reports whether a key is among those that the object has shown so far.
func (o *object) has(key []byte, shown [][]byte) bool {
	if len(shown) < fewKeys {
		for _, k := range shown {
			if bytes.Equal(k, key) || !o.free && bytes.EqualFold(k, key) {
				return true
			}
		}
		return false
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
		for _, k := range shown {
			o.seen[o.folded(k)] = true
		}
	}
	name := o.folded(key)
	if o.seen[name] {
		return true
	}
	o.seen[name] = true
	return false
}

// folded is the same for keys that count as the same.
func (o *object) folded(key []byte) string {
	if o.free {
		return string(key)
	}
	return FoldKey(string(key))
}

// FoldKey is the same for two keys of JSON objects exactly when encoding/json
// takes one for the other where it fills a struct: besides upper and lower case,
// an old long s is an s there, and a kelvin sign is a k.
func FoldKey(key string) string {
	// The smallest of the runes that fold to each other.
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, key)
}
