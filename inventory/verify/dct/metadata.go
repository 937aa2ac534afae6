package dct

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
)

// The most that is read. The reference client takes 100 MiB for a file.
const (
	maxTimestamp  = 256 << 10
	maxRoot       = 1 << 20
	maxSnapshot   = 1 << 20
	maxTargets    = 8 << 20  // about 50,000 tags
	maxRepository = 32 << 20 // all files of one repository
	maxRoles      = 64       // targets and all delegations of one repository
	maxSignatures = 64       // on one file
	maxKeys       = 256      // named by one file
	maxKey        = 16 << 10 // bytes of one key, with its certificates
	maxRotations  = 256      // roots between the remembered one and the present one
	maxRSAModulus = 8192     // bits: what it costs to verify grows with the square
)

// file is one file of metadata, as it came, with what is common to all of them.
type file struct {
	name    string // timestamp, targets/releases, 2.root
	raw     []byte
	digest  inventory.Digest
	signed  *data.Signed
	version int
	expires time.Time
}

// String begins a sentence about the file.
func (f file) String() string { return "The file " + shown(f.name) + ".json" }

// read takes a file apart. It refuses what could be read in two ways: a key that
// is there twice, text behind the end, anything but UTF-8. It doesn't verify.
func read(name string, raw []byte) (f file, err error) {
	f = file{name: name, raw: raw, digest: inventory.DigestOf(raw)}
	defer barrier(&err)
	if err := unambiguous(raw); err != nil {
		return f, err
	}
	signed := &data.Signed{}
	if err := json.Unmarshal(raw, signed); err != nil {
		return f, err
	}
	if signed.Signed == nil {
		return f, errors.New("it signs nothing")
	}
	if len(signed.Signatures) > maxSignatures {
		return f, fmt.Errorf("it holds %d signatures; %d is the most that is looked at", len(signed.Signatures), maxSignatures)
	}
	var common data.SignedCommon
	if err := json.Unmarshal(*signed.Signed, &common); err != nil {
		return f, err
	}
	f.signed, f.version, f.expires = signed, common.Version, common.Expires
	return f, nil
}

// barrier turns a panic of the library's readers into an error: they take
// references in the metadata for granted that needn't be there.
func barrier(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("reading metadata: %v", r)
	}
}

func (f file) root() (r *data.SignedRoot, err error) {
	defer barrier(&err)
	r, err = data.RootFromSigned(f.signed)
	if err == nil && len(r.Signed.Keys) > maxKeys {
		err = fmt.Errorf("it names %d keys; %d is the most that is looked at", len(r.Signed.Keys), maxKeys)
	}
	return r, err
}

func (f file) timestamp() (t *data.SignedTimestamp, err error) {
	defer barrier(&err)
	return data.TimestampFromSigned(f.signed)
}

func (f file) snapshot() (s *data.SignedSnapshot, err error) {
	defer barrier(&err)
	return data.SnapshotFromSigned(f.signed)
}

// listing is what a list of targets says, whether or not it may be believed.
func (f file) listing() (t data.Targets, err error) {
	defer barrier(&err)
	err = json.Unmarshal(*f.signed.Signed, &t)
	return t, err
}

// wellformed checks the list of a role: above all that it delegates only to
// roles right below itself, so that no chain of delegations comes back to where
// it has been.
func (f file) wellformed(t data.Targets) (err error) {
	defer barrier(&err)
	for _, role := range t.Delegations.Roles {
		if role == nil {
			return errors.New("a delegation is empty")
		}
	}
	if len(t.Delegations.Keys) > maxKeys {
		return fmt.Errorf("it names %d keys; %d is the most that is looked at", len(t.Delegations.Keys), maxKeys)
	}
	_, err = data.TargetsFromSigned(f.signed, data.RoleName(f.name))
	return err
}

// unambiguous accepts one JSON document in which no object holds a key twice,
// not even in another case, since readers that fold cases take one of the two.
// The names of targets are data, and there case matters.
func unambiguous(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("it isn't UTF-8")
	}
	type frame struct {
		keys map[string]bool // nil in an array
		key  bool            // the next token is a key
		data bool
	}
	const maxDepth = 32
	var stack []frame
	last := ""
	d := stdjson.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		if len(stack) > 0 {
			top := &stack[len(stack)-1]
			if name, ok := token.(string); ok && top.key {
				last, top.key = name, false
				if !top.data {
					name = inventory.FoldKey(name)
				}
				if top.keys[name] {
					return fmt.Errorf("the key %q appears twice", shown(last))
				}
				top.keys[name] = true
				continue
			}
		}
		switch token {
		case stdjson.Delim('{'):
			stack = append(stack, frame{keys: map[string]bool{}, key: true, data: last == "targets" && len(stack) == 2})
		case stdjson.Delim('['):
			stack = append(stack, frame{})
		case stdjson.Delim('}'), stdjson.Delim(']'):
			stack = stack[:len(stack)-1]
			token = nil
		}
		if len(stack) > maxDepth {
			return fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
		if opened := token == stdjson.Delim('{') || token == stdjson.Delim('['); opened {
			continue
		}
		if len(stack) == 0 {
			break
		}
		if top := &stack[len(stack)-1]; top.keys != nil {
			top.key = true
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is text behind the end")
	}
	return nil
}
