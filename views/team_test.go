package views

import (
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views/ui"
)

// teamPage is a team with something of every status; its name is hostile.
func teamPage(name string) TeamPage {
	f := frame(name, ui.TeamURL(name))
	f.Teams = []string{name}
	p := TeamPage{
		Frame: f, Own: true, Registries: 1, Counts: counts(11, 2, 1, 1, 12, 1), Days: days(), WeekAgo: &days()[6], Next: "77",
		Team:      inventory.Team{Name: name, Groups: []string{"payments-dev", markup}, Repositories: []inventory.Glob{"local/team-payments/**", "*/pay*/**"}},
		Addresses: map[string]string{"local": "http://127.0.0.1:5000"},
	}
	for n := range 3 {
		i := images40()[5]
		i.Digest, i.Tags = digest(100+n), []string{"v5", "stable", "a", "b"}
		p.Unsigned = append(p.Unsigned, i)
	}
	p.Unsigned[1].Repository, p.Unsigned[1].Tags = bidi, []string{markup}
	p.Unsigned[2].Quarantine = &inventory.Quarantine{ID: "q"}
	held := images40()[1]
	held.Quarantine = &quarantines()[1]
	p.Needs = []TeamNeed{
		{inventory.Failed, 1, images40()[4:5]}, {inventory.Quarantined, 1, []inventory.Image{held}},
		{inventory.Unapproved, 12, []inventory.Image{images40()[2], images40()[7]}}, {inventory.Unverifiable, 1, images40()[3:4]},
		{inventory.Unknown, 1, images40()[6:7]},
	}
	return p
}

func teamSamples() []sample {
	mine, hostile, well, empty := teamPage("payments"), teamPage(markup+"/"+rtl), teamPage("platform"), teamPage("empty")
	hostile.Own, hostile.Addresses, hostile.Cursor = false, nil, "12"
	well.Counts, well.Unsigned, well.Needs, well.Next, well.Own = counts(31), nil, nil, "", false
	well.Counts.Quarantined = 0
	empty.Counts, empty.Days, empty.Unsigned, empty.Needs, empty.Next, empty.Team.Groups, empty.Team.Repositories = inventory.Counts{}, nil, nil, nil, "", nil, nil
	nobody := teamPage(inventory.NoTeam)
	nobody.Own, nobody.Team, nobody.Repositories = false, inventory.Team{Name: inventory.NoTeam}, []string{"local/ops/base", "local/ops/tools", "local/scratch", "local/team-x/" + bidi, "local/*/x"}
	all := nobody
	all.Counts, all.Unsigned, all.Needs, all.Next, all.Days = inventory.Counts{}, nil, nil, "", nil
	past := mine
	past.Unsigned, past.Next, past.Cursor = nil, "", "9"

	f := frame("Teams", "/teams")
	f.Teams = []string{"payments"}
	list := TeamsPage{Frame: f, Registries: 1, All: counts(24, 5, 3, 2, 5, 2), Unowned: counts(2, 0, 2, 1, 2), Teams: []inventory.TeamCounts{
		{Team: markup + "/" + rtl, Counts: counts(1)}, {Team: "empty"}, {Team: "payments", Counts: counts(11, 1, 0, 0, 1, 1)}, {Team: "platform", Counts: counts(7, 1, 1, 0, 2, 1)},
	}}
	owned := list
	owned.Unowned = inventory.Counts{}
	mineFirst, mineOnly := overviewPage(), ImagesPage{Frame: frame("Images", "/images"), Registries: 1, List: inventory.ImageList{Images: images40(), Next: "c2", Total: 41}, Facets: facets()}
	mineFirst.Frame.Teams = []string{"payments", "storefront"}
	mineOnly.Frame.Teams = []string{markup + "/" + rtl, "payments"}
	return []sample{
		{"overview-own", mineFirst}, {"images-own", mineOnly},
		{"teams", list}, {"teams-owned", owned}, {"teams-none", TeamsPage{Frame: frame("Teams", "/teams"), Registries: 1, All: counts(3), Unowned: counts(3)}},
		{"teams-fresh", TeamsPage{Frame: frame("Teams", "/teams"), Registries: 1, Teams: []inventory.TeamCounts{{Team: "payments"}}}},
		{"teams-no-registry", TeamsPage{Frame: frame("Teams", "/teams")}},
		{"team", mine}, {"team-nasty", hostile}, {"team-well", well}, {"team-empty", empty}, {"team-past", past}, {"team-nobody", nobody}, {"team-nobody-well", all},
		{"team-no-registry", TeamPage{Frame: frame("payments", "/teams/payments"), Team: inventory.Team{Name: "payments"}}},
	}
}

func TestTeam_givesCommandsForTheDigestAndNothingElse(t *testing.T) {
	out := render(t, page(t, "team"))
	d := string(digest(100))
	for _, want := range []string{
		"cosign sign --key cosign.key \\\n  --allow-http-registry \\\n  127.0.0.1:5000/team-platform/ingress@" + d,
		"cosign sign \\\n  --allow-http-registry \\\n  127.0.0.1:5000/team-platform/ingress@" + d,
		"notation sign --key KEY_NAME \\\n  --insecure-registry \\\n  127",
		"A reviewer has to decide about", keyless().ID.Path(),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the page of a team lacks %q", want)
		}
	}
	for _, way := range teamPage("x").ways(inventory.Image{Registry: "local", Repository: "a; id", Digest: digest(1)}) {
		if !strings.HasSuffix(way.text, "REGISTRY/NAME@"+string(digest(1))) {
			t.Errorf("a name that a shell would run stands in %q", way.text)
		}
	}
	if n, m := strings.Count(out, "<details class=\"fold\" open"), strings.Count(out, "How to sign it"); n != 1 || m != 3 {
		t.Errorf("of %d images %d show their commands at once", m, n)
	}
	if out := render(t, page(t, "team-well")); strings.Contains(out, "cosign sign") {
		t.Error("a team without unsigned images is told to sign")
	}
}

// Whoever belongs to a team finds what is theirs before everybody's, and still
// sees everybody's.
func TestOverviewAndImages_leadToOnesOwnTeams(t *testing.T) {
	for name, leads := range map[string][2]string{"overview-own": {`href="/teams/payments"`, "<svg class=\"bar\""}, "images-own": {`href="/images?team=payments"`, "<table"}} {
		out := render(t, page(t, name))
		at, list := strings.Index(out, leads[0]), strings.Index(out, leads[1])
		if at < 0 || at > list {
			t.Errorf("%s: %s stands at %d, after %s at %d", name, leads[0], at, leads[1], list)
		}
	}
	out := text(elements(t, page(t, "overview-own"))[0])
	for _, says := range []string{"Your team payments", "1 image to sign; 11 of 14 images are trusted.", "Your team storefront", "nothing to sign; 4 of 8 images are trusted.", "24 of 41 images are trusted", "payments (yours)"} {
		if !strings.Contains(out, says) {
			t.Errorf("the overview doesn't say %q: %s", says, out)
		}
	}
	for _, name := range []string{"overview", "images"} {
		if out := render(t, page(t, name)); strings.Contains(out, "our team") {
			t.Errorf("%s leads somebody without a team to one", name)
		}
	}
}

func TestTeams_saysWhatBelongsToNobody(t *testing.T) {
	for name, want := range map[string]string{"teams": "7 images of 41 belong to no team.", "teams-owned": "Every image belongs to a team.", "teams-none": "3 images of 3 belong to no team."} {
		for _, n := range elements(t, page(t, name)) {
			if n.Data == "h1" && text(n) != want {
				t.Errorf("%s: the headline is %q, want %q", name, text(n), want)
			}
		}
	}
}

func TestTeamLines_proposePatternsThatFit(t *testing.T) {
	lines := teamLines([]string{"local/ops/base", "local/ops/tools", "local/scratch", "local/a/b/c", "local/x/" + bidi, "local/[z/y", bidi})
	if want := "    repositories:\n      - \"local/ops/**\"\n      - \"local/scratch\"\n      - \"local/a/**\"\n      - \"local/x/**\""; !strings.HasSuffix(lines, want) {
		t.Errorf("the lines are\n%s\nwant them to end\n%s", lines, want)
	}
}
