package views

import (
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views/ui"
)

// widenedPage is a reviewer about to widen an approval to an organisation, of a
// signer that another pattern holds already.
func widenedPage() SignerPage {
	const issuer, workflow = "https://token.actions.githubusercontent.com", "https://github.com/acme/payments-api/.github/workflows/release.yml@refs/tags/"
	of := func(tag string, s inventory.Standing) inventory.Signer {
		return inventory.Signer{ID: inventory.KeylessID(issuer, workflow+tag), Kind: inventory.KeylessSigner, Name: workflow + tag, Standing: s, Images: 3, Waiting: 3, Roots: []string{"public-good"}}
	}
	s := of("v1.2.0", inventory.Approved)
	s.Lent = []inventory.Decision{{ID: "1", Signer: of("v1.0.0", "").ID, Verb: inventory.Approve, Identities: workflow + "*", Roots: []string{"public-good"}, Repositories: []inventory.Glob{"local/payments/**"},
		Reason: "Only the release environment may push tags.", State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Dana", At: now}}}}
	s.Decisions = []inventory.Decision{{ID: "2", Signer: s.ID, Verb: inventory.Approve, Identities: "https://github.com/acme/**", Roots: []string{"public-good"}, Repositories: []inventory.Glob{"local/payments/**"},
		Reason: "Every release of ours.", State: inventory.StateProposed, DecidedBy: []inventory.Decider{{Name: "Eric", At: now}}}}
	p := signerPage(s)
	for n, pattern := range s.ID.Widenings() {
		p.Widening.Choices = append(p.Widening.Choices, WideningChoice{Pattern: pattern, Reach: pattern.Reach(s.ID), Seen: 2 + n})
	}
	chosen := p.Widening.Choices[len(p.Widening.Choices)-1]
	p.Form = SignerForm{Decision: inventory.Approve, Identities: string(chosen.Pattern), Repositories: "local/payments/**"}
	p.Widening.Chosen, p.Widening.Seen = chosen, 6
	p.Widening.First = []inventory.Signer{s, of("v1.1.0", inventory.Pending), of("v1.0.0", inventory.Rejected)}
	return p
}

// The warning grows: a remark, a warning, a statement to be ticked.
func TestWiden_warnsMoreTheWiderItIs(t *testing.T) {
	p := widenedPage()
	for _, c := range p.Widening.Choices {
		page := render(t, sample{"reach", reach(c)})
		if warns := strings.Contains(page, `class="unusual"`); warns != (c.Reach.Width >= inventory.AnyRef) || !strings.Contains(page, c.Reach.Says) {
			t.Errorf("%s warns %v: %s", c.Reach.Width, warns, page)
		}
		p.Widening.Chosen = c
		if ticks := strings.Contains(render(t, sample{"widen", widen(p)}), "I understand that "+ui.Count(c.Seen, "identity", "identities")); ticks != c.Reach.Acknowledge {
			t.Errorf("%s has to be ticked: %v", c.Reach.Width, ticks)
		}
	}
	p.Signer.Kind = inventory.KeySigner
	if page := render(t, sample{"widen", widen(p)}); page != "" {
		t.Errorf("a key can be widened: %s", page)
	}
}
