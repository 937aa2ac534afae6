package views

import (
	"fmt"
	"strings"

	"signboard/inventory"
	"signboard/views/ui"
)

// impactSentence is what a decision would change, in words: "34 images in 3
// teams become trusted; 2 of them stay quarantined."
func impactSentence(i inventory.Impact) string {
	images, held := i.Changed()
	if images == 0 {
		return "No image in use changes its status."
	}
	var parts []string
	for n, c := range i.Changes {
		noun := " "
		if n == 0 {
			noun = " " + ui.Plural(c.Images, "image", "images") + " "
		}
		parts = append(parts, ui.Number(c.Images)+noun+ui.Plural(c.Images, "becomes", "become")+" "+strings.ToLower(ui.StatusWord(c.To)))
	}
	sentence := strings.Join(parts, ", ")
	if len(i.Changes) == 1 {
		// The teams are those of all changes.
		c := i.Changes[0]
		sentence = ui.Count(c.Images, "image", "images") + impactTeams(i) + " " + ui.Plural(c.Images, "becomes", "become") + " " + strings.ToLower(ui.StatusWord(c.To))
	}
	if held > 0 {
		sentence += fmt.Sprintf("; %s of them %s quarantined", ui.Number(held), ui.Plural(held, "stays", "stay"))
	}
	return sentence + "."
}

// impactTeams is whose images change: " in 3 teams".
func impactTeams(i inventory.Impact) string {
	teams, nobodys := 0, false
	for _, t := range i.Teams {
		if t == inventory.NoTeam {
			nobodys = true
		} else {
			teams++
		}
	}
	switch {
	case teams == 0:
		return " in no team"
	case nobodys:
		return " in " + ui.Count(teams, "team", "teams") + " or in none"
	}
	return " in " + ui.Count(teams, "team", "teams")
}

// impactNote is what else there is to know before the decision.
func impactNote(i inventory.Impact, f SignerForm) string {
	var notes []string
	if i.State == inventory.StateProposed {
		notes = append(notes, "Not at once: from you this is a proposal, and it changes nothing until a second reviewer confirms it.")
	}
	if f.Decision == inventory.Approve {
		for _, pattern := range strings.Fields(f.Repositories) {
			if wide(inventory.Glob(pattern)) {
				notes = append(notes, fmt.Sprintf("%s is wide: whatever this signer signs anywhere in it from now on will be trusted, too.", inventory.Visible(pattern)))
				break
			}
		}
	}
	return strings.Join(notes, " ")
}

// impactExample is what stands beside the name of an image that would change.
func impactExample(e inventory.ChangedImage) string {
	var said []string
	if len(e.Image.Tags) > 0 {
		said = append(said, inventory.Visible(e.Image.Tags[0]))
	}
	if len(e.Image.Teams) > 0 {
		said = append(said, inventory.Visible(strings.Join(e.Image.Teams, ", ")))
	}
	if e.Image.Quarantine != nil {
		said = append(said, "stays quarantined")
	}
	if len(said) == 0 {
		return ""
	}
	return "· " + strings.Join(said, " · ")
}

// changedOf is how many images of a team change.
func changedOf(t inventory.Tally, team string) int {
	n := 0
	for _, c := range t.ByTeam {
		if c.Team == team {
			n += c.Images
		}
	}
	return n
}

// differenceOf is how many more images of a team change than somebody saw.
func differenceOf(d inventory.TeamDifference) string {
	word, n := "more", d.Images
	if n < 0 {
		word, n = "fewer", -n
	}
	team := inventory.Visible(d.Team)
	if d.Team == inventory.NoTeam {
		team = "no team"
	}
	return fmt.Sprintf("%s %s of %s %s %s", ui.Number(n), word, team, ui.Plural(n, "becomes", "become"), strings.ToLower(ui.StatusWord(d.To)))
}
