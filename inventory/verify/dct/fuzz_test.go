package dct_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/docker/go/canonical/json"
	"github.com/sirupsen/logrus"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
	"signboard/inventory/verify/dct"
)

// shelfOf answers from memory, so that fuzzing doesn't wait for a network.
type shelfOf struct{ server }

func (s *shelfOf) RoundTrip(r *http.Request) (*http.Response, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"+s.gun+"/_trust/tuf/"), ".json")
	status, body := http.StatusOK, s.files[name]
	if body == nil {
		status, body = http.StatusNotFound, []byte("METADATA_NOT_FOUND")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func offline(gun string, files map[string][]byte, c *clock) *dct.Place {
	s := &shelfOf{server{gun: gun, files: files}}
	return dct.New(dct.Server{Registry: "local", Host: host, URL: "http://notary.example.com", Client: &http.Client{Transport: s}}, nil, c.now)
}

// reference is what the notary project's own RepoBuilder says of the files: nil
// when it takes every one. It is a second opinion that is never stricter than
// ours. It can't be told the time, so what ran out is left to us.
func reference(gun string, files map[string][]byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	logrus.SetOutput(io.Discard)
	b := tuf.NewRepoBuilder(data.GUN(gun), nil, trustpinning.TrustPinConfig{})
	for _, role := range []data.RoleName{"root", "timestamp", "snapshot", "targets"} {
		if err := b.Load(role, files[role.String()], 1, true); err != nil {
			return fmt.Errorf("%s: %w", role, err)
		}
	}
	return nil
}

func TestReference_agreesOnTheRecordings(t *testing.T) {
	for _, name := range []string{"empty", "plain-1", "plain-2", "delegated-1", "delegated-2", "rotated-1", "rotated-2"} {
		r := record(t, name)
		if err := reference(r.gun, r.files); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		bad := copied(r.files)
		bad["targets"][len(bad["targets"])/2] ^= 1
		if reference(r.gun, bad) == nil {
			t.Errorf("%s: the second opinion is no opinion", name)
		}
	}
}

// holds checks what is true whatever the server answers, and reports which of
// the images read as unsigned.
func holds(t *testing.T, gun string, files map[string][]byte, c *clock, contents ...string) (unsigned []string) {
	p := offline(gun, files, c)
	for _, content := range contents {
		found, err := p.Look(t.Context(), image(strings.TrimPrefix(gun, host+"/"), content))
		if err != nil {
			if l := inventory.AsLookError(err); !l.Reason.Known() || l.Message == "" {
				t.Errorf("%+v", l)
			}
		} else if len(found.Signatures) == 0 {
			unsigned = append(unsigned, content)
		}
		for _, s := range found.Signatures {
			consistent(t, s)
			if s.Outcome != inventory.OutcomeVerified {
				continue
			}
			if err := reference(gun, files); err != nil {
				t.Errorf("verified, and the reference refuses: %v\n%s", err, describe(s))
			}
		}
	}
	return unsigned
}

// One file of a real repository is anything at all.
func FuzzMetadata(f *testing.F) {
	r := record(f, "plain-2")
	roles := []string{"root", "timestamp", "snapshot", "targets"}
	for _, from := range []string{"plain-1", "plain-2", "rotated-2", "delegated-2"} {
		for i, role := range roles {
			f.Add(uint8(i), record(f, from).files[role])
		}
	}
	f.Add(uint8(3), []byte(`{"signed":{"_type":"Targets","version":1,"targets":{},"delegations":{"roles":[null],"keys":null}},"signatures":[{"keyid":"x","method":"ecdsa","sig":"AA=="}]}`))
	c := &clock{at: r.at}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		role := roles[int(which)%len(roles)]
		files := with(r.files, map[string][]byte{role: raw})
		// An image that was signed never reads as unsigned but by a list that is
		// signed itself, and of those there are the recorded ones.
		if unsigned := holds(t, r.gun, files, c, "plain image one", "never signed"); slices.Contains(unsigned, "plain image one") {
			t.Errorf("unsigned with another %s", role)
		}
	})
}

// A list that says anything at all, and is signed by the right key.
func FuzzSignedList(f *testing.F) {
	r := newRepo(f)
	r.delegate("targets", "targets/a", []string{"a"}, newPen(f, noon, "ann"))
	r.sign("targets/a", "a1", "two")
	base := r.publish()
	for _, role := range []string{"targets", "targets/a"} {
		var s struct {
			Signed json.RawMessage `json:"signed"`
		}
		must(f, json.Unmarshal(base[role], &s))
		f.Add([]byte(s.Signed))
	}
	f.Add([]byte(`{"_type":"Targets","version":1,"expires":"2099-01-01T00:00:00Z","targets":{"v1":null},"delegations":{"keys":{"a":{}},"roles":[{"name":"targets/a","keyids":["a"],"threshold":1,"paths":[""]},null]}}`))
	f.Add([]byte(`{"_type":"Targets","version":9223372036854775807,"targets":{"v1":{"length":-1,"hashes":{"sha256":"AA==","sha512":""}}}}`))
	c := &clock{at: noon}
	f.Fuzz(func(t *testing.T, says []byte) {
		var v any
		if json.Unmarshal(says, &v) != nil {
			return
		}
		if _, err := json.MarshalCanonical(v); err != nil {
			return
		}
		r := *r
		r.tb = t
		files := with(base, map[string][]byte{"targets": sealed(t, v, r.pens["targets"]...)})
		files["snapshot"] = r.signed("snapshot", data.Snapshot{SignedCommon: r.common("snapshot", "Snapshot"),
			Meta: data.Files{"root": meta(files["root"]), "targets": meta(files["targets"]), "targets/a": meta(files["targets/a"])}})
		files["timestamp"] = r.signed("timestamp", data.Timestamp{SignedCommon: r.common("timestamp", "Timestamp"), Meta: data.Files{"snapshot": meta(files["snapshot"])}})
		holds(t, r.gun, files, c, "one", "two", "never signed")
	})
}
