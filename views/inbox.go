package views

import (
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// inbox reports whether the list is that of the signers that wait.
func (p SignersPage) inbox() bool {
	return p.Filter.Standing == "" || p.Filter.Standing == inventory.Pending
}

// open is the address of a signer in the list: from the inbox, the way back to
// it goes along.
func (p SignersPage) open(s inventory.Signer) string {
	if !p.inbox() || !p.Frame.Actor.May(inventory.DecideSigner) {
		return s.ID.Path()
	}
	return OpenFromInbox(s.ID, signersQuery(p.Filter).Encode())
}

func signersOrder(f inventory.SignerFilter) string {
	if f.Expiring > 0 {
		return "Signers, those whose approval ends soonest first"
	}
	return "Signers, those with the most images waiting first"
}

// moreRepositories says how many repositories there are beside those that are
// named.
func moreRepositories(s inventory.Signer) string {
	switch more := s.RepositoryCount - len(s.Repositories); {
	case s.RepositoryCount > inventory.MaxCounted:
		return fmt.Sprintf("and more than %d others", inventory.MaxCounted-len(s.Repositories))
	case more > 0:
		return "and " + ui.Count(more, "other", "others")
	}
	return ""
}

// oddityWords are the few words that a list has room for.
func oddityWords(k inventory.OddityKind) string {
	switch k {
	case inventory.OddNewHere:
		return "new where another signed"
	case inventory.OddNewIssuer:
		return "issuer never seen before"
	case inventory.OddLookAlike:
		return "look-alike"
	case inventory.OddAnotherIssuer:
		return "known name, another issuer"
	case inventory.OddSameName:
		return "name of another key"
	case inventory.OddAnotherRef:
		return "known workflow, another ref"
	}
	return inventory.Visible(string(k))
}

func oddHeading(s inventory.Signer) string {
	if s.Unusual() {
		return "What is unusual"
	}
	return "Good to know"
}

const dayLong = 24 * time.Hour

func expiringChoices(f inventory.SignerFilter) []time.Duration {
	list := []time.Duration{dayLong, 7 * dayLong, 30 * dayLong, 90 * dayLong}
	if f.Expiring > 0 && !slices.Contains(list, f.Expiring) {
		list = append(list, f.Expiring)
		slices.Sort(list)
	}
	return list
}

func expiringValue(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf("%dd", d/dayLong)
}

func expiringWord(d time.Duration) string {
	return "within " + ui.Count(int(d/dayLong), "day", "days")
}
