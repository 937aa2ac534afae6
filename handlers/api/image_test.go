package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/handlers/api"
	"signboard/inventory"
)

// contract is the Image object word for word as the outside contract has it.
const contract = `{"registry":"local","repository":"team-a/api","digest":"sha256:…","tags":["v1"],"media_type":"…",
 "status":"trusted|unapproved|unverifiable|invalid|unsigned|unknown","reason":"…","message":"one sentence for a person",
 "checked_at":"RFC 3339","stale":false,"last_good":{"status":"…","checked_at":"…"}|null,
 "quarantine":{…}|null,"teams":["payments"],
 "platforms":[{"platform":"linux/amd64","digest":"sha256:…","status":"trusted","inherited":true}],
 "signatures":[{"format":"cosign-simplesigning|cosign-bundle|notation-jws|notation-cose|dct",
   "manifest":"sha256:…","outcome":"verified|unverifiable|invalid|error","reason":"…","message":"…",
   "signed_at":"…"|null,"signed_at_source":"tlog|timestamp-authority|claimed"|null,
   "signer":{"id":"…","kind":"key|keyless|x509|tuf","name":"…","standing":"approved|pending|rejected|revoked|expired"}|null,
   "checks":[{"name":"…","result":"pass|fail|skip|error","message":"…"}],
   "chain":[{"role":"image|statement|signature|key|leaf|intermediate|root|tlog|timestamp|delegation","name":"…","fingerprint":"sha256:…","issuer":"…","not_before":"…","not_after":"…"}]}],
 "attestations":[{"predicate_type":"…","outcome":"…","signer":{…}|null,"manifest":"…"}]}`

const someDigest = inventory.Digest("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

var noon = time.Date(2026, 11, 21, 13, 0, 0, 0, time.FixedZone("", 3600))

// whole is an image with something in every field.
func whole() inventory.Image {
	signer := &inventory.Signer{ID: inventory.KeyID(someDigest), Kind: inventory.KeySigner, Name: "release", Standing: inventory.Approved,
		Facts: []inventory.Fact{{Name: "Algorithm", Value: "ECDSA P-256"}}}
	return inventory.Image{
		Registry: "local", Repository: "team-a/api", Digest: someDigest, Kind: inventory.IndexImage, MediaType: inventory.MediaTypeOCIIndex, Tags: []string{"v1"},
		Status: inventory.Unknown, Reason: inventory.ReasonRegistryUnreachable, Message: "It could not be read.", CheckedAt: &noon, Stale: true,
		LastGood:   &inventory.LastGood{Status: inventory.Trusted, CheckedAt: noon},
		Quarantine: &inventory.Quarantine{ID: "q", Digest: someDigest, Reason: "a flaw", By: "Dana", At: noon, ReleasedBy: "nobody"},
		Teams:      []string{"payments"},
		Platforms:  []inventory.Platform{{Platform: "linux/amd64", Digest: someDigest, Status: inventory.Trusted, Inherited: true}},
		Signatures: []inventory.Signature{{
			Format: inventory.FormatBundle, Manifest: someDigest, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Message: "It holds.",
			SignedAt: &noon, SignedAtSource: inventory.SignedAtTlog, Signer: signer, Domain: "public-good",
			Expires: &inventory.Expiry{At: noon, Reason: inventory.ReasonSignatureExpired, Message: "It ran out."},
			Checks:  []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: "It holds."}},
			Chain: []inventory.Link{{Role: inventory.RoleLeaf, Name: "leaf", Fingerprint: string(someDigest), Issuer: "CN=root", NotBefore: &noon, NotAfter: &noon,
				Checks: []string{"certificate"}, Facts: []inventory.Fact{{Name: "Serial", Value: "1"}}}},
		}},
		Attestations: []inventory.Attestation{{
			PredicateType: "https://slsa.dev/provenance/v1", Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Message: "It holds.", Signer: signer,
			Manifest: someDigest, SignedAt: &noon, SignedAtSource: inventory.SignedAtAuthority, Facts: []inventory.Fact{{Name: "Builder", Value: "x"}},
			Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: "It holds."}},
		}},
		Notes: []string{"Something was left out."},
	}
}

// object is the image as a program reads it.
func object(t *testing.T, i inventory.Image) map[string]any {
	t.Helper()
	b, err := json.Marshal(api.NewImage(i, "registry.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// covers holds that got has whatever the contract has, under the same names and
// of the same kind.
func covers(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		o, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is no object but %v", at, got)
		}
		for key, value := range want {
			if _, ok := o[key]; !ok {
				t.Errorf("%s has no %q", at, key)
				continue
			}
			covers(t, at+"."+key, value, o[key])
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) == 0 {
			t.Errorf("%s is no list with something in it but %v", at, got)
			return
		}
		covers(t, at+"[]", want[0], list[0])
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			t.Errorf("%s is %v (%T), and in the contract a %T", at, got, got, want)
		}
	}
}

func TestImage_hasEveryFieldOfTheContract(t *testing.T) {
	var want map[string]any
	if err := json.Unmarshal([]byte(strings.NewReplacer("|null", "", "{…}", "{}").Replace(contract)), &want); err != nil {
		t.Fatal(err)
	}
	got := object(t, whole())
	covers(t, "image", want, got)
	covers(t, "quarantine", map[string]any{"id": "", "digest": "", "reason": "", "by": "", "at": ""}, got["quarantine"])
	held := got["quarantine"].(map[string]any)
	for _, name := range []string{"expires_at", "released_at"} {
		if v, ok := held[name]; !ok || v != nil {
			t.Errorf("quarantine.%s is %v, %v; want null", name, v, ok)
		}
	}
	if len(held) != 7 {
		t.Errorf("a quarantine of a digest has more than the contract's fields: %v", held)
	}
	if at := got["checked_at"]; at != "2026-11-21T12:00:00Z" {
		t.Errorf("checked_at is %v, not RFC 3339 in UTC", at)
	}
}

func TestImage_listsAreNeverNullAndTheRestIs(t *testing.T) {
	i := inventory.Image{Registry: "local", Repository: "a", Digest: someDigest,
		Signatures:   []inventory.Signature{{Format: inventory.FormatDCT, Chain: []inventory.Link{{Role: inventory.RoleKey}}}},
		Attestations: []inventory.Attestation{{}}}
	o := object(t, i)
	if o["status"] != "unknown" {
		t.Errorf("an image that nobody looked at has the status %v", o["status"])
	}
	for _, name := range []string{"tags", "teams", "platforms", "notes"} {
		if list, ok := o[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v, want []", name, o[name])
		}
	}
	for _, name := range []string{"checked_at", "last_good", "quarantine"} {
		if v, ok := o[name]; !ok || v != nil {
			t.Errorf("%s is %v, %v; want null", name, v, ok)
		}
	}
	for _, of := range []string{"signatures", "attestations"} {
		one := o[of].([]any)[0].(map[string]any)
		for _, name := range []string{"signed_at", "signed_at_source", "signer"} {
			if v, ok := one[name]; !ok || v != nil {
				t.Errorf("%s.%s is %v, %v; want null", of, name, v, ok)
			}
		}
		if list, ok := one["checks"].([]any); !ok || len(list) != 0 {
			t.Errorf("%s.checks is %v, want []", of, one["checks"])
		}
	}
	link := o["signatures"].([]any)[0].(map[string]any)["chain"].([]any)[0].(map[string]any)
	for _, name := range []string{"not_before", "not_after"} {
		if v, ok := link[name]; !ok || v != nil {
			t.Errorf("chain.%s is %v, %v; want null", name, v, ok)
		}
	}
	empty := object(t, inventory.Image{})
	for _, name := range []string{"signatures", "attestations"} {
		if list, ok := empty[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v, want []", name, empty[name])
		}
	}
}

func TestImage_usesTheContractsWords(t *testing.T) {
	for _, s := range inventory.Statuses {
		if o := object(t, inventory.Image{Status: s}); !strings.Contains(contract, fmt.Sprint(o["status"])) {
			t.Errorf("%v is none of the contract's statuses", o["status"])
		}
	}
	if o := object(t, inventory.Image{Status: inventory.Failed}); o["status"] != "invalid" {
		t.Errorf("an image whose signatures fail is %v", o["status"])
	}
	i := inventory.Image{Signatures: []inventory.Signature{{Signer: &inventory.Signer{ID: inventory.KeyID(someDigest)}}}}
	s := object(t, i)["signatures"].([]any)[0].(map[string]any)["signer"].(map[string]any)
	if s["kind"] != "key" || s["standing"] != "pending" {
		t.Errorf("a signer that nobody has heard of is %v", s)
	}
}

func TestImage_saysHowToRepeatTheCheckWhereTheRegistryIsKnown(t *testing.T) {
	command := func(address, of string) string {
		b, err := json.Marshal(api.NewImage(whole(), address))
		if err != nil {
			t.Fatal(err)
		}
		var o map[string][]map[string]any
		json.Unmarshal(b, &o) // the other fields are none of these lists
		return fmt.Sprint(o[of][0]["reproduce"])
	}
	for _, of := range []string{"signatures", "attestations"} {
		if c := command("registry.example.com", of); !strings.Contains(c, "registry.example.com/team-a/api@"+string(someDigest)) {
			t.Errorf("%s: %s", of, c)
		}
		if c := command("", of); c != "" {
			t.Errorf("%s without an address: %s", of, c)
		}
	}
}

// TestImage_keepsHostileTextAsItIs: programs compare what they read.
func TestImage_keepsHostileTextAsItIs(t *testing.T) {
	const name = "a\n\x1b[31m\u202e<script>"
	i := inventory.Image{Tags: []string{name}, Notes: []string{name}, Signatures: []inventory.Signature{{Signer: &inventory.Signer{ID: inventory.KeylessID("i", name), Name: name}}}}
	o := api.NewImage(i, "")
	if !slices.Equal(o.Tags, []string{name}) || o.Signatures[0].Signer.Name != name || o.Signatures[0].Signer.ID != inventory.KeylessID("i", name) {
		t.Errorf("%+v", o)
	}
}
