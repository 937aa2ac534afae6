package decision

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
)

// MaxBasis bounds what a request may send as a basis, in bytes.
const MaxBasis = 64 << 10

// basis is what somebody saw of a decision before making it. It travels through
// their hands, and need not be secret or signed: whoever changes it fools nobody
// but themselves.
type basis struct {
	Request string            `json:"q"` // mark of the decision that it is an impact of
	Footing inventory.Footing `json:"f"`
	At      time.Time         `json:"at"`
	Tally   inventory.Tally   `json:"t"`
}

func (b basis) String() string {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		err = json.NewEncoder(w).Encode(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("decision: a basis can't be written: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(packed.Bytes())
}

func parseBasis(s string) (b basis, err error) {
	packed, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 1<<20)).Decode(&b)
	}
	if err != nil || len(s) > MaxBasis {
		return basis{}, inventory.Errorf(inventory.Invalid, "The basis isn't one that a preview answered. Look again at what changes.")
	}
	return b, nil
}

// mark tells requests apart by what their impact depends on: two requests with
// the same one change the same.
func (r SignerRequest) mark() string {
	of, err := json.Marshal([]any{r.Signer, r.Verb, normal(r.Repositories), r.Identities, normal(r.Roots), r.Replaces, unix(r.ReplacedUntil)})
	if err != nil {
		panic("decision: a request can't be written: " + err.Error())
	}
	return strings.TrimPrefix(string(inventory.DigestOf(of)), "sha256:")[:16]
}

// unix is a time in milliseconds, however it is written; 0 for none.
func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

// MovedError is a Conflict: what a decision would change is something else than
// what the person saw. Now is what it would change now, bound anew.
type MovedError struct {
	Seen   inventory.Tally
	SeenAt time.Time
	Now    inventory.Impact
	err    error // says so in a sentence
}

func (e *MovedError) Error() string { return e.err.Error() }

func (e *MovedError) Unwrap() error { return e.err }

// holds fails with Conflict, a MovedError where there is a difference to tell,
// unless the request changes what the person saw that it would change. While
// nothing moved that the impact rests on, it takes one look at that; then the
// impact is worked out again.
func (d Door) holds(ctx context.Context, actor inventory.Actor, signer inventory.Signer, r SignerRequest, now time.Time) error {
	if r.Basis == "" {
		return nil
	}
	seen, err := parseBasis(r.Basis)
	if err != nil {
		return err
	}
	if seen.Request != r.mark() {
		return inventory.Errorf(inventory.Conflict, "This isn't the decision whose effect you looked at. Look at what this one changes, then decide.")
	}
	o, err := d.alone(ctx, actor, signer, r, now)
	if err != nil {
		return err
	}
	signers, err := d.covered(ctx, signer, o, now)
	if err != nil {
		return err
	}
	is, err := d.Impact.Footing(ctx, signers, now)
	if err != nil {
		return err
	}
	if is.Decisions == seen.Footing.Decisions && is.Images == seen.Footing.Images && !now.Before(seen.At) && (seen.Footing.Until == nil || now.Before(*seen.Footing.Until)) {
		return nil
	}
	impact, err := d.ahead(ctx, signer, o, r, now)
	if err != nil || impact.Tally.Equal(seen.Tally) {
		return err
	}
	impact.State = d.asked(signer, actor, o)
	return &MovedError{Seen: seen.Tally, SeenAt: seen.At, Now: impact, err: inventory.Errorf(inventory.Conflict, "%s", Difference(seen.Tally, impact.Tally))}
}

// Difference says how what would change differs from what somebody saw: "When
// you looked, 34 images in 3 teams would become trusted; now it is 41 in 4: 7
// more in payments."
func Difference(then, now inventory.Tally) string {
	sentence := "When you looked, " + would(then) + "; now "
	was, _ := then.Changed()
	is, _ := now.Changed()
	if len(then.Changes) == 1 && len(now.Changes) == 1 && then.Changes[0].From == now.Changes[0].From && then.Changes[0].To == now.Changes[0].To && was != is {
		sentence += fmt.Sprintf("it is %d", is)
		if teams, named := owners(now); teams != "" {
			sentence += " " + teams
			if before, also := owners(then); named && also && before != "" {
				sentence = strings.TrimSuffix(strings.TrimSuffix(sentence, " teams"), " team")
			}
		}
	} else {
		sentence += would(now)
	}
	var parts []string
	more := now.Since(then)
	for _, d := range more[:min(len(more), 3)] {
		part := fmt.Sprintf("%d more", d.Images)
		if d.Images < 0 {
			part = fmt.Sprintf("%d fewer", -d.Images)
		}
		if len(now.Changes) > 1 || len(then.Changes) > 1 {
			part += " to become " + string(d.To)
		}
		if d.Team == inventory.NoTeam {
			part += " of no team"
		} else {
			part += " in " + inventory.Visible(d.Team)
		}
		parts = append(parts, part)
	}
	if len(more) > 3 {
		parts = append(parts, fmt.Sprintf("and in %d more", len(more)-3))
	}
	_, held := then.Changed()
	if _, holds := now.Changed(); holds != held {
		parts = append(parts, fmt.Sprintf("%d of them quarantined, not %d", holds, held))
	}
	if len(parts) > 0 {
		sentence += ": " + strings.Join(parts, ", ")
	}
	return sentence + "."
}

// would is a tally in words.
func would(t inventory.Tally) string {
	if len(t.Changes) == 0 {
		return "no image would change its status"
	}
	var parts []string
	for n, c := range t.Changes {
		part := fmt.Sprint(c.Images)
		if n == 0 {
			part = images(c.Images)
			if teams, _ := owners(t); teams != "" && len(t.Changes) == 1 {
				part += " " + teams
			}
			part += " would become"
		}
		parts = append(parts, part+" "+string(c.To))
	}
	return strings.Join(parts, " and ")
}

// owners is whose images change, and whether all of them are somebody's.
func owners(t inventory.Tally) (words string, named bool) {
	teams := len(slices.DeleteFunc(slices.Clone(t.Teams), func(team string) bool { return team == inventory.NoTeam }))
	switch {
	case teams == 0:
		return "", false
	case teams == 1:
		words = "in 1 team"
	default:
		words = fmt.Sprintf("in %d teams", teams)
	}
	if teams < len(t.Teams) {
		return words + " or in none", false
	}
	return words, true
}

func images(n int) string {
	if n == 1 {
		return "1 image"
	}
	return fmt.Sprintf("%d images", n)
}
