package ui

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

func chainOf(results ...inventory.Result) []ChainLink {
	s := inventory.Signature{Chain: []inventory.Link{{Role: inventory.RoleSignature, Checks: nil}}}
	for _, r := range results {
		s.Checks = append(s.Checks, inventory.Check{Name: string(r), Result: r})
	}
	return ChainLinks(s)
}

func TestChainLink_isAsGoodAsItsWorstCheck(t *testing.T) {
	for want, results := range map[inventory.Result][]inventory.Result{
		inventory.Fail:    {inventory.Pass, inventory.Errored, inventory.Fail, inventory.Skip},
		inventory.Errored: {inventory.Pass, inventory.Errored, inventory.Skip},
		inventory.Pass:    {inventory.Skip, inventory.Pass},
		inventory.Skip:    {inventory.Skip},
	} {
		if got, ok := chainOf(results...)[0].State(); !ok || got != want {
			t.Errorf("%v: state %q, want %q", results, got, want)
		}
	}
	if got, _ := chainOf(inventory.Pass, "made-up")[0].State(); resultKey(got) != "error" {
		t.Errorf("a result that isn't known is shown as %q", resultKey(got))
	}
	if _, ok := chainOf()[0].State(); ok {
		t.Error("a link without checks has a state")
	}
}

func TestChainLinks_loseNoCheck(t *testing.T) {
	links := ChainLinks(inventory.Signature{
		Checks: []inventory.Check{{Name: "named"}, {Name: "stray"}, {Name: "stray"}},
		Chain:  []inventory.Link{{Role: inventory.RoleImage, Checks: []string{"named", "named"}}, {Role: inventory.RoleSignature}, {Role: inventory.RoleKey, Checks: []string{"named"}}},
	})
	if len(links[0].Made) != 1 || len(links[1].Made) != 2 || len(links[2].Made) != 1 {
		t.Errorf("checks per link: %d, %d, %d", len(links[0].Made), len(links[1].Made), len(links[2].Made))
	}
}

func TestPicture_laysNoLinkOverAnother(t *testing.T) {
	var links []ChainLink
	for _, r := range []inventory.LinkRole{inventory.RoleImage, inventory.RoleStatement, inventory.RoleSignature, inventory.RoleTlog, inventory.RoleTimestamp, inventory.RoleLeaf, inventory.RoleTlog, inventory.RoleIntermediate, inventory.RoleRoot} {
		links = append(links, ChainLink{Link: inventory.Link{Role: r}})
	}
	for name, p := range map[string]chainPicture{"across": layAcross(links), "down": layDown(links), "branch first": layAcross(links[3:]), "rows": layAcross(slices.Concat(links, links, links))} {
		for i, a := range p.Nodes {
			if a.X < 0 || a.Y < 0 || a.X+p.NodeWidth > p.Width || a.Y+p.NodeHeight > p.Height {
				t.Errorf("%s: link %d is outside", name, i)
			}
			for j, b := range p.Nodes[:i] {
				if a.X < b.X+p.NodeWidth && b.X < a.X+p.NodeWidth && a.Y < b.Y+p.NodeHeight && b.Y < a.Y+p.NodeHeight {
					t.Errorf("%s: links %d and %d overlap", name, j, i)
				}
			}
			if (a.Line == "") != (i == 0) {
				t.Errorf("%s: link %d has the line %q", name, i, a.Line)
			}
		}
	}
}

// A picture that is wider than a page would be drawn too small to read.
func TestPicture_ofALongChainContinuesInAnotherRow(t *testing.T) {
	links := make([]ChainLink, 8)
	p := layAcross(links)
	if p.Width > chainWidth {
		t.Errorf("8 links are %d wide, a page has room for %d", p.Width, chainWidth)
	}
	if p.Nodes[3].Y != p.Nodes[0].Y || p.Nodes[4].Y <= p.Nodes[0].Y || p.Nodes[4].X != p.Nodes[0].X {
		t.Errorf("the fifth of 8 links is at %d, %d", p.Nodes[4].X, p.Nodes[4].Y)
	}
}

func TestChainLinks_hangBranchesBelowTheSignature(t *testing.T) {
	var got []inventory.LinkRole
	for _, l := range ChainLinks(inventory.Signature{Chain: []inventory.Link{{Role: inventory.RoleImage}, {Role: inventory.RoleSignature}, {Role: inventory.RoleLeaf}, {Role: inventory.RoleRoot}, {Role: inventory.RoleTlog}, {Role: inventory.RoleTimestamp}}}) {
		got = append(got, l.Role)
	}
	want := []inventory.LinkRole{inventory.RoleImage, inventory.RoleSignature, inventory.RoleTlog, inventory.RoleTimestamp, inventory.RoleLeaf, inventory.RoleRoot}
	if !slices.Equal(got, want) {
		t.Errorf("the chain is %v, want %v", got, want)
	}
}

// An identity is whole in the picture, too, as long as it has room.
func TestPicture_breaksIdentitiesWhereTheirPartsEnd(t *testing.T) {
	san := "https://github.com/acme/storefront/.github/workflows/release.yml@refs/heads/main"
	lines := nameLines(san, 37, 4)
	if strings.Join(lines, "") != san || len(lines) > 4 {
		t.Errorf("%q", lines)
	}
	for _, line := range append(nameLines(strings.Repeat(san, 40), 21, 4), lines...) {
		if n := len([]rune(line)); n > 37 {
			t.Errorf("a line of %d characters: %q", n, line)
		}
	}
	if n := len(nameLines(strings.Repeat(san, 40), 21, 4)); n != 4 {
		t.Errorf("a very long name takes %d lines", n)
	}
}

func TestFact_showsAKeyAsABlockAndNothingElse(t *testing.T) {
	key := "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq+sAAA==\n-----END PUBLIC KEY-----\n"
	if !isPEM(key) || !isPEM(key+key) {
		t.Error("a key isn't seen as one")
	}
	for _, text := range []string{"", "team", "x" + key, key + "x", key + "\u202e", key + "\n\r", strings.Replace(key, "MFk", "<b>\u200b", 1)} {
		if isPEM(text) {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

func TestValidity_saysWhatMatters(t *testing.T) {
	now := time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	const day = 24 * time.Hour
	for want, l := range map[string]inventory.Link{
		"": {},
		"Valid from 2026-03-16 12:00:00 UTC, for 10 minutes": {NotBefore: at(-2 * day), NotAfter: at(-2*day + 10*time.Minute)},
		"Valid until 28 March 2026, in 10 days":              {NotBefore: at(-90 * day), NotAfter: at(10 * day)},
		"Ran out on 8 March 2026, 10 days ago":               {NotBefore: at(-90 * day), NotAfter: at(-10 * day)},
		"Valid only from 28 March 2026, in 10 days":          {NotBefore: at(10 * day), NotAfter: at(90 * day)},
	} {
		if got := validity(l, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSegments_showEveryStatusAndFillTheBar(t *testing.T) {
	c := inventory.Counts{Images: 100_001, ByStatus: map[inventory.Status]int{inventory.Trusted: 100_000, inventory.Failed: 1}}
	s := Segments(c)
	if len(s) != 2 || s[1].Status != inventory.Failed || s[0].X != "0.000%" || s[1].X != s[0].Width || s[1].Width < "0.9" {
		t.Errorf("segments are %+v", s)
	}
	if got := Segments(inventory.Counts{}); len(got) != 0 {
		t.Errorf("nothing is shown as %+v", got)
	}
}

func TestPercent_saysAllAndNoneOnlyWhenItIsSo(t *testing.T) {
	for _, c := range []struct {
		part, whole int
		want        string
	}{{0, 0, "–"}, {0, 5, "0 %"}, {1, 100_000, "1 %"}, {99_999, 100_000, "99 %"}, {5, 5, "100 %"}, {1, 3, "33 %"}, {2, 3, "67 %"}} {
		if got := Percent(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestRelative_readsAsAPersonSaysIt(t *testing.T) {
	now := time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", -time.Second: "in a moment", time.Minute: "1 minute ago", 90 * time.Minute: "1 hour ago",
		47 * time.Hour: "47 hours ago", 72 * time.Hour: "3 days ago", -72 * time.Hour: "in 3 days", 100 * 24 * time.Hour: "3 months ago", 800 * 24 * time.Hour: "2 years ago",
	} {
		if got := Relative(now, now.Add(-d)); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestName_escapesAndMarksWhatIsUnusual(t *testing.T) {
	var b strings.Builder
	if err := Name("a/<b>\u202e").Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if strings.Contains(got, "<b>") || strings.Contains(got, "\u202e") || !strings.Contains(got, "⟨U+202E⟩") || !strings.Contains(got, "contains unusual characters") {
		t.Errorf("shown as %s", got)
	}
	b.Reset()
	_ = Name("team/api").Render(context.Background(), &b)
	if got := b.String(); got != `<bdi class="name">team/<wbr>api</bdi>` {
		t.Errorf("a plain name is shown as %s", got)
	}
}

func TestDigest_keepsTheWholeInTheText(t *testing.T) {
	d := inventory.DigestOf([]byte("x"))
	head, middle, tail := digestParts(d)
	if head+middle+tail != string(d) || middle == "" {
		t.Errorf("%q, %q, %q", head, middle, tail)
	}
	var b strings.Builder
	_ = Digest("not a digest\u202e").Render(context.Background(), &b)
	if strings.Contains(b.String(), "\u202e</") || !strings.Contains(b.String(), "⟨U+202E⟩") {
		t.Errorf("what isn't a digest is shown as %s", b.String())
	}
}

func TestThemes_areLightDarkOrAuto(t *testing.T) {
	for s, want := range map[string]Theme{"light": ThemeLight, "dark": ThemeDark, "auto": ThemeAuto, "": ThemeAuto, `"><script>`: ThemeAuto} {
		if got := ParseTheme(s); got != want {
			t.Errorf("%q is %q", s, got)
		}
	}
}
