package views

import (
	"fmt"
	"strings"

	"signboard/inventory"
	"signboard/views/ui"
)

// Widening is what an approval of a keyless identity can be widened to.
type Widening struct {
	Choices []WideningChoice // from narrow to wide
	Chosen  WideningChoice   // the pattern in the form; zero when there is none
	Seen    int              // identities seen here that it holds
	First   []inventory.Signer
}

// WideningChoice is a pattern, how wide it is, and how many identities seen here
// it holds.
type WideningChoice struct {
	Pattern inventory.IdentityPattern
	Reach   inventory.Reach
	Seen    int
}

// ownPattern is the choice of a pattern of one's own.
const ownPattern = "own"

// Pattern is the pattern that the form asks for.
func (f SignerForm) Pattern() inventory.IdentityPattern {
	if f.Identities == ownPattern {
		return inventory.IdentityPattern(strings.TrimSpace(f.OwnPattern))
	}
	return inventory.IdentityPattern(f.Identities)
}

// chooses reports whether a pattern is the one in the form.
func (f SignerForm) chooses(p string) bool { return f.Identities == p }

// widthWord is how wide a pattern is, in a few words.
func widthWord(w inventory.Width) string {
	switch w {
	case inventory.AnyTag:
		return "Every tag of this workflow"
	case inventory.AnyRef:
		return "Every branch and tag of this workflow"
	case inventory.AnyWorkflow:
		return "Every workflow of this repository"
	case inventory.AnyBelow:
		return "A whole organisation, or a part of one"
	case inventory.AnyOfDomain:
		return "A whole domain"
	case inventory.AnyOfIssuer:
		return "Everybody whom the issuer knows"
	}
	return "This identity only"
}

// understanding is what whoever approves a wide pattern has to say.
func understanding(c WideningChoice) string {
	who := strings.TrimSuffix(strings.TrimSuffix(c.Reach.Says, "."), " can sign as one of these")
	return fmt.Sprintf("I understand that %s seen here, and any to come, are trusted. %s can make more of them.", ui.Count(c.Seen, "identity", "identities"), who)
}

// needsTick reports whether one of the choices may need to be understood.
func (w Widening) needsTick() bool {
	for _, c := range w.Choices {
		if c.Reach.Acknowledge {
			return true
		}
	}
	return w.Chosen.Reach.Acknowledge
}
