package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestTeam_listsItsOwnUnsignedImagesOldestFirst(t *testing.T) {
	w := newWorld(t, plan{})
	var want []string
	for n := range 14 {
		repository := fmt.Sprintf("pay/r%02d", 13-n) // not in the order of their names
		w.look(repository, found(100+n, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{"v1"}))
		want = append(want, "registry.test/"+repository+"@"+string(digest(100+n)))
	}
	w.look("ops/base", found(200, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{"v1"}))
	command := regexp.MustCompile(`cosign sign --key cosign.key \\\n  (\S+)</code>`)
	next := regexp.MustCompile(`href="(/teams/payments\?cursor=[0-9]+)" id="pager-next"`)
	var got []string
	for target, pages := "/teams/payments", 0; target != ""; pages++ {
		a := w.get(viewer, target)
		if a.StatusCode != http.StatusOK || pages > 2 {
			t.Fatalf("%s: %d on page %d: %s", target, a.StatusCode, pages, text(a.body))
		}
		for _, m := range command.FindAllStringSubmatch(a.body, -1) {
			got = append(got, m[1])
		}
		target = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			target = m[1]
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the commands are for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if a := w.get(viewer, "/teams/-"); !a.says("registry.test/ops/base@"+string(digest(200))) || !a.says("local/ops/**") || a.says("pay/r") {
		t.Errorf("nobody's images: %s", text(a.body))
	}
}

func TestTeam_saysWhoHasToDoWhat(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.look("pay/more",
		found(10, inventory.Failed, inventory.ReasonSignatureMismatch, "The signature is of something else.", []string{"bad"}),
		found(11, inventory.Unknown, inventory.ReasonRegistryUnreachable, "The registry did not answer.", []string{"far"}))
	a := w.get(viewer, "/teams/payments")
	for _, says := range []string{
		"A reviewer has to decide about", keyless.ID.Path(), "1 image signed, the signer not approved",
		"1 image with a signature that fails its checks", "The signature is of something else.", "1 image that could not be checked", "The registry did not answer.",
		`href="/images?status=invalid&amp;team=payments"`, `href="/images.csv?team=payments"`, `href="/images.json?status=unsigned&amp;team=payments"`,
		"local/pay/**", "staff",
	} {
		if !a.says(says) {
			t.Errorf("the team's page does not say %q: %s", says, text(a.body))
		}
	}
	if a.says("holds a secret") {
		t.Error("what is held of others is on the team's page")
	}
	if a := w.get(viewer, "/teams/-"); !a.says("holds a secret") || !a.says("1 image held in quarantine") {
		t.Errorf("what is held and nobody's isn't there: %s", text(a.body))
	}
}

// A page that everybody may see says nothing of who they are.
func TestTeam_isYoursByYourGroups(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for person, yours := range map[string]bool{viewer: true, reviewer: false, admin: false} {
		if a := w.get(person, "/teams/payments"); a.says("Your unsigned images") != yours {
			t.Errorf("%s: that the team is theirs is %v", person, !yours)
		}
		if a := w.get(person, "/teams"); strings.Contains(a.body, "your team") != (person != admin) {
			t.Errorf("%s, on the list: %s", person, text(a.body))
		}
	}
	if a := newWorld(t, plan{local: true}).get(nobody, "/teams/payments", "Host", "localhost"); a.StatusCode != http.StatusOK || a.says("Your unsigned") {
		t.Errorf("without sign-in: %d", a.StatusCode)
	}
}

// People are led to their own images first, see all others, and are where the
// address says.
func TestOverviewAndImages_leadToOnesOwnTeam(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for _, one := range []struct {
		person, target string
		led            bool
		says           string
	}{
		{viewer, "/", true, "2 of 8 images are trusted"},
		{viewer, "/?team=payments", false, "2 of 4 images are trusted"},
		{viewer, "/?registry=local", false, "2 of 8 images are trusted"},
		{admin, "/", false, "2 of 8 images are trusted"},
		{viewer, "/images", true, "8 images"},
		{viewer, "/images?status=unsigned", true, "2 images"},
		{viewer, "/images?team=-", false, "4 images"},
		{admin, "/images", false, "8 images"},
	} {
		a := w.get(one.person, one.target)
		if led := a.says("Your team payments") || a.says("Only your team"); led != one.led || !a.says(one.says) {
			t.Errorf("%s, %s: led is %v: %s", one.person, one.target, led, text(a.body))
		}
	}
	if a := w.get(viewer, "/"); !a.says("1 image to sign; 2 of 4 images are trusted.") || !strings.Contains(a.body, `href="/teams/payments"`) {
		t.Errorf("the overview: %s", text(a.body))
	}
	if a := w.get(viewer, "/images?status=unsigned"); !strings.Contains(a.body, `href="/images?status=unsigned&amp;team=payments"`) {
		t.Error("the list leads away from its filter")
	}
}
