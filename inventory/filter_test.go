package inventory_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestParseImageFilter_readsEveryName(t *testing.T) {
	query := url.Values{
		"status": {"quarantined"}, "registry": {"local"}, "repository": {"local/pay/**"}, "team": {"-"}, "signer": {"keyless:https://issuer.test|me"},
		"format": {"dct"}, "reason": {"key_unknown"}, "tag": {"v1"}, "q": {" api "}, "cursor": {"not the filter's"},
	}
	f, err := inventory.ParseImageFilter(query)
	want := inventory.ImageFilter{
		Status: inventory.Quarantined, Registry: "local", Repository: "local/pay/**", Team: inventory.NoTeam, Signer: "keyless:https://issuer.test|me",
		Format: inventory.FormatDCT, Reason: inventory.ReasonKeyUnknown, Tag: "v1", Q: "api",
	}
	if err != nil || f != want {
		t.Errorf("%+v, %v; want %+v", f, err, want)
	}
	// Each name that is read is in the list of names, and each on the list is read.
	if fields := reflect.TypeFor[inventory.ImageFilter]().NumField(); fields != len(inventory.ImageFilterNames) {
		t.Errorf("%d names for %d fields", len(inventory.ImageFilterNames), fields)
	}
	for _, name := range inventory.ImageFilterNames {
		one, err := inventory.ParseImageFilter(url.Values{name: query[name]})
		if err != nil || one.Empty() {
			t.Errorf("%s is on the list of names, and isn't read: %+v, %v", name, one, err)
		}
	}
	if f, err := inventory.ParseImageFilter(nil); err != nil || !f.Empty() {
		t.Errorf("no query at all is %+v, %v", f, err)
	}
}

func TestParseFilters_refuseWhatSaysNothing(t *testing.T) {
	for query, says := range map[string]string{
		"status=Trusted":      "is not a status",
		"repository=a//b":     "empty segment",
		"repository=%5B":      "can't be read",
		"signer=me":           "is not the id of a signer",
		"signer=keyless:me":   "is not the id of a signer",
		"reason=nonsense":     "is not a reason code",
		"format=cosign":       "is not a signature format",
		"reason=%E2%80%AEkey": "⟨U+202E⟩key",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inventory.ParseImageFilter(v); inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("?%s: %v, want a refusal that says %q", query, err, says)
		}
	}
	for query, says := range map[string]string{"standing=trusted": "is not a standing", "kind=Key": "is not a kind of signer"} {
		v, _ := url.ParseQuery(query)
		if _, err := inventory.ParseSignerFilter(v); inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("?%s: %v, want a refusal that says %q", query, err, says)
		}
	}
	f, err := inventory.ParseSignerFilter(url.Values{"standing": {"expired"}, "kind": {"x509"}})
	if err != nil || f != (inventory.SignerFilter{Standing: inventory.Expired, Kind: inventory.X509Signer}) {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestConfigured_refusesNamesThatNobodyHas(t *testing.T) {
	teams, registries := []inventory.Team{{Name: "payments"}}, []inventory.Registry{{Name: "local"}}
	for _, c := range []struct {
		filter inventory.ImageFilter
		says   string
	}{
		{inventory.ImageFilter{}, ""},
		{inventory.ImageFilter{Team: "payments", Registry: "local"}, ""},
		{inventory.ImageFilter{Team: inventory.NoTeam}, ""},
		{inventory.ImageFilter{Team: "paymnets"}, `no team called "paymnets"`},
		{inventory.ImageFilter{Team: "payments", Registry: "Local"}, `no registry called "Local"`},
	} {
		err := c.filter.Configured(teams, registries)
		if c.says == "" && err != nil || c.says != "" && (inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.filter, err, c.says)
		}
	}
}
