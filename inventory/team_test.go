package inventory

import (
	"slices"
	"testing"
)

func TestTeamsOf_areThoseOfTheGroups(t *testing.T) {
	teams := []Team{
		{Name: "storefront", Groups: []string{"web", "shop"}},
		{Name: "payments", Groups: []string{"payments-dev", "shop"}},
		{Name: "nobody's"},
		{Name: "empty", Groups: []string{""}},
	}
	for _, test := range []struct{ groups, want []string }{
		{nil, nil},
		{[]string{"Shop"}, nil},
		{[]string{"shop"}, []string{"payments", "storefront"}},
		{[]string{"other", "web", "shop"}, []string{"payments", "storefront"}},
		{[]string{"payments"}, nil}, // a team's name is not its group
	} {
		if got := TeamsOf(teams, test.groups); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.groups, got, test.want)
		}
	}
}
