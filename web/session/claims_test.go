package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"signboard/inventory"
)

func TestGroups_whereverTheClaimIs(t *testing.T) {
	for name, test := range map[string]struct {
		said, path string
		want       []string
	}{
		"a list":                       {`{"groups":["a","b"]}`, "groups", []string{"a", "b"}},
		"a single one":                 {`{"groups":"a"}`, "groups", []string{"a"}},
		"an empty one":                 {`{"groups":""}`, "groups", nil},
		"none":                         {`{"other":["a"]}`, "groups", nil},
		"Keycloak's realm roles":       {`{"realm_access":{"roles":["a"]}}`, "realm_access.roles", []string{"a"}},
		"Keycloak's client roles":      {`{"resource_access":{"my.client":{"roles":["a"]}}}`, "resource_access.my.client.roles", []string{"a"}},
		"a name with dots":             {`{"https://example.com/groups":["a"]}`, "https://example.com/groups", []string{"a"}},
		"a name with dots and a path":  {`{"https://example.com/x":{"groups":["a"]}}`, "https://example.com/x.groups", []string{"a"}},
		"the exact name before a path": {`{"a.b":["exact"],"a":{"b":["path"]}}`, "a.b", []string{"exact"}},
		"a path through a list":        {`{"a":["b"]}`, "a.b", nil},
		"a list with other things":     {`{"groups":["a",1,null,{"name":"b"},"","c"]}`, "groups", []string{"a", "c"}},
		"an object":                    {`{"groups":{"a":true}}`, "groups", nil},
		"a number":                     {`{"groups":7}`, "groups", nil},
		"null":                         {`{"groups":null}`, "groups", nil},
	} {
		var said claims
		if err := json.Unmarshal([]byte(test.said), &said); err != nil {
			t.Fatal(err)
		}
		raw, _ := said.find(test.path)
		if got := (OIDC{}).groups(raw); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestGroups_ofManyThoseWithARoleStay(t *testing.T) {
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprint("group ", i))
	}
	b, err := json.Marshal(append(all, "platform"))
	if err != nil {
		t.Fatal(err)
	}
	o := OIDC{Roles: map[inventory.Role][]string{inventory.Admin: {"platform"}}}
	got := o.groups(b)
	if role, by := o.role(got); len(got) != maxGroups || role != inventory.Admin || by != "platform" {
		t.Errorf("of %d groups %d stay, which give %s", len(all), len(got), role)
	}
}

func TestClaims_leftOut(t *testing.T) {
	for said, want := range map[string]bool{
		`{"_claim_names":{"groups":"src1"}}`:         true,
		`{"hasgroups":true}`:                         true,
		`{"_claim_names":{"other":"src1"}}`:          false,
		`{"groups":[]}`:                              false,
		`{"_claim_names":"groups","hasgroups":"no"}`: false,
	} {
		var c claims
		if err := json.Unmarshal([]byte(said), &c); err != nil {
			t.Fatal(err)
		}
		if got := c.left("groups"); got != want {
			t.Errorf("%s: %v", said, got)
		}
	}
}

func TestRole_andTheGroupThatGivesIt(t *testing.T) {
	o := OIDC{Roles: map[inventory.Role][]string{inventory.Viewer: {"*"}, inventory.Reviewer: {"*", "security"}, inventory.Admin: {"platform"}}}
	for group, want := range map[string]struct {
		role inventory.Role
		by   string
	}{"platform": {inventory.Admin, "platform"}, "security": {inventory.Reviewer, "security"}, "none": {inventory.Reviewer, "*"}} {
		if role, by := o.role([]string{"x", group}); role != want.role || by != want.by {
			t.Errorf("%s gives %s by %s", group, role, by)
		}
	}
	if role, _ := (OIDC{Roles: map[inventory.Role][]string{inventory.Admin: {""}}}).role(nil); role != inventory.Nobody {
		t.Errorf("no group gives %s", role)
	}
}
