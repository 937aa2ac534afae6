package inventory

// Reevaluation is what is left of judging images again after a decision, or
// after something ran out. Their own pages and rows show what is true already;
// counts, and which images a list by status holds, follow in batches. The zero
// value is that nothing is left.
type Reevaluation struct {
	Images int // an image that several signers of whom were decided signed counts for each
	// Signer is whom the latest of the decisions is about, with what it says and
	// by whom; nil where it was the time.
	Signer *NamedSigner
	Verb   Verb
	By     string
}
