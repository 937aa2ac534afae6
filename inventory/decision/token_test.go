package decision_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// console is who runs the command on the machine itself.
var console = inventory.Actor{Kind: inventory.SystemActor, Name: "root at the command line", Subject: "cli|root", Role: inventory.Admin}

func (d *desk) token(actor inventory.Actor, name string, role inventory.Role) inventory.Token {
	d.t.Helper()
	t, _, err := d.CreateToken(d.t.Context(), actor, decision.TokenRequest{Name: name, Role: role})
	if err != nil {
		d.t.Fatal(err)
	}
	return t
}

func TestCreateToken_isAuditedWithoutItsSecret(t *testing.T) {
	d := newDesk(t, 1)
	end := now.Add(90 * 24 * time.Hour)
	made, secret, err := d.CreateToken(t.Context(), ada, decision.TokenRequest{Name: " ci \n", Role: inventory.Reviewer, ExpiresAt: &end})
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "ci" || made.Role != inventory.Reviewer || made.CreatedBy != "Ada" || made.Subject != "idp|ada" || !made.CreatedAt.Equal(now) || !made.ExpiresAt.Equal(end) {
		t.Errorf("made is %+v", made)
	}
	if _, err := inventory.ParseTokenSecret(string(secret)); err != nil {
		t.Error(err)
	}
	found, err := d.store.TokenByHash(t.Context(), secret.Hash())
	if err != nil || found.ID != made.ID {
		t.Errorf("by its secret %+v is found, %v", found, err)
	}
	e := d.entries()[0]
	if e.Action != "token.create" || e.Object != "ci" || e.Actor.Name != "Ada" || !strings.Contains(e.After, `"reviewer"`) || !strings.Contains(e.After, made.ID) || e.Before != "" {
		t.Errorf("the entry is %+v", e)
	}
	all, err := json.Marshal(d.entries())
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]string{"the secret": string(secret)[4:20], "its hash": secret.Hash()} {
		if strings.Contains(string(all), s) {
			t.Errorf("%s is in the audit log", what)
		}
	}
}

func TestCreateToken_refusesThoseWhoMayNot(t *testing.T) {
	d := newDesk(t, 1)
	of := d.token(ada, "of", inventory.Viewer)
	before := len(d.entries())
	for i, actor := range []inventory.Actor{{}, vera, dana} {
		_, secret, err := d.CreateToken(t.Context(), actor, decision.TokenRequest{Name: "mine", Role: inventory.Viewer})
		if kind := inventory.KindOf(err); secret != "" || kind != inventory.Forbidden && kind != inventory.Unauthorized {
			t.Errorf("%s made one: %v", actor.Name, err)
		}
		if _, err := d.RevokeToken(t.Context(), actor, of.ID); inventory.KindOf(err) != inventory.Forbidden && inventory.KindOf(err) != inventory.Unauthorized {
			t.Errorf("%s revoked one: %v", actor.Name, err)
		}
		if err := d.ManageTokens(t.Context(), actor); inventory.KindOf(err) != inventory.Forbidden && inventory.KindOf(err) != inventory.Unauthorized {
			t.Errorf("%s may manage: %v", actor.Name, err)
		}
		if n := len(d.entries()); n != before+3*(i+1) {
			t.Errorf("%d refusals of %s are in the log", n-before-3*i, actor.Name)
		}
		for _, e := range d.entries()[:3] {
			if e.Action != "access.refused" || e.Actor.Name != actor.Name {
				t.Errorf("the refusal is written down as %+v", e)
			}
		}
	}
	if got, err := d.store.Token(t.Context(), of.ID, now); err != nil || got.RevokedAt != nil {
		t.Errorf("it is %+v, %v", got, err)
	}
	if err := d.ManageTokens(t.Context(), ada); err != nil {
		t.Error(err)
	}
}

func TestCreateToken_refusesWhatMakesNoSense(t *testing.T) {
	d := newDesk(t, 1)
	past, never := now, now.AddDate(9000, 0, 0)
	d.token(ada, "taken", inventory.Viewer)
	before := len(d.entries())
	for name, c := range map[string]struct {
		request decision.TokenRequest
		kind    inventory.Kind
	}{
		"no name":              {decision.TokenRequest{Name: " ", Role: inventory.Viewer}, inventory.Invalid},
		"a long name":          {decision.TokenRequest{Name: strings.Repeat("a", 101), Role: inventory.Viewer}, inventory.Invalid},
		"a line break":         {decision.TokenRequest{Name: "a\nb", Role: inventory.Viewer}, inventory.Invalid},
		"a direction mark":     {decision.TokenRequest{Name: "ci\u202e", Role: inventory.Viewer}, inventory.Invalid},
		"look-alike letters":   {decision.TokenRequest{Name: "сi", Role: inventory.Viewer}, inventory.Invalid},
		"bytes that are none":  {decision.TokenRequest{Name: "a\xff", Role: inventory.Viewer}, inventory.Invalid},
		"no role":              {decision.TokenRequest{Name: "a"}, inventory.Invalid},
		"a role beyond all":    {decision.TokenRequest{Name: "a", Role: inventory.Admin + 1}, inventory.Invalid},
		"a negative role":      {decision.TokenRequest{Name: "a", Role: -1}, inventory.Invalid},
		"an end that is gone":  {decision.TokenRequest{Name: "a", Role: inventory.Viewer, ExpiresAt: &past}, inventory.Invalid},
		"an end beyond time":   {decision.TokenRequest{Name: "a", Role: inventory.Viewer, ExpiresAt: &never}, inventory.Invalid},
		"an id of their own":   {decision.TokenRequest{ID: "mine", Name: "a", Role: inventory.Viewer}, inventory.Invalid},
		"an id in capitals":    {decision.TokenRequest{ID: strings.ToUpper(decision.NewTokenID()), Name: "a", Role: inventory.Viewer}, inventory.Invalid},
		"a name that is taken": {decision.TokenRequest{Name: "taken", Role: inventory.Viewer}, inventory.Conflict},
	} {
		_, secret, err := d.CreateToken(t.Context(), ada, c.request)
		if inventory.KindOf(err) != c.kind || secret != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(d.entries()); n != before {
		t.Errorf("%d entries tell of what wasn't done", n-before)
	}
}

// TestCreateToken_onceForEachForm holds that a form sent twice, as a reload does,
// makes one token and shows no secret again, also when the name is free again.
func TestCreateToken_onceForEachForm(t *testing.T) {
	d := newDesk(t, 1)
	form := decision.TokenRequest{ID: decision.NewTokenID(), Name: "ci", Role: inventory.Viewer}
	made, _, err := d.CreateToken(t.Context(), ada, form)
	if err != nil || made.ID != form.ID {
		t.Fatal(made, err)
	}
	if _, err := d.RevokeToken(t.Context(), ada, "ci"); err != nil {
		t.Fatal(err)
	}
	_, secret, err := d.CreateToken(t.Context(), ada, form)
	d.refuse(err, inventory.Conflict, "has made its token already")
	if secret != "" {
		t.Error("and there is a secret")
	}
}

func TestRevokeToken_isAuditedAndOnce(t *testing.T) {
	d := newDesk(t, 1)
	made := d.token(ada, "ci", inventory.Viewer)
	revoked, err := d.RevokeToken(t.Context(), console, "ci")
	if err != nil || revoked.StateAt(now) != inventory.TokenRevoked || revoked.RevokedBy != console.Name {
		t.Fatalf("%+v, %v", revoked, err)
	}
	e := d.entries()[0]
	if e.Action != "token.revoke" || e.Object != "ci" || e.Actor.Kind != inventory.SystemActor || !strings.Contains(e.Before, made.ID) || !strings.Contains(e.After, console.Name) {
		t.Errorf("the entry is %+v", e)
	}
	_, err = d.RevokeToken(t.Context(), ada, made.ID)
	d.refuse(err, inventory.Conflict, "revoked already")
	_, err = d.RevokeToken(t.Context(), ada, "ci")
	d.refuse(err, inventory.NotFound, "no such token")
}

// TestDecide_aTokenIsWhoMadeIt holds who counts as a second reviewer: not the
// same person through their token, in either order, but somebody else's token and
// those that the command made.
func TestDecide_aTokenIsWhoMadeIt(t *testing.T) {
	d := newDesk(t, 2)
	boss := dana
	boss.Role = inventory.Admin
	actor := func(t inventory.Token) inventory.Actor { return t.Actor("192.0.2.9") }
	hers, his := actor(d.token(boss, "of Dana", inventory.Reviewer)), actor(d.token(ada, "of Ada", inventory.Reviewer))
	also := actor(d.token(boss, "another of Dana", inventory.Reviewer))
	one, two := actor(d.token(console, "one", inventory.Reviewer)), actor(d.token(console, "two", inventory.Reviewer))
	for i, c := range []struct {
		first, second inventory.Actor
		counts        bool
	}{
		{dana, hers, false}, {hers, dana, false}, {hers, also, false}, {one, one, false},
		{dana, his, true}, {hers, his, true}, {hers, ada, true}, {one, two, true}, {dana, one, true},
	} {
		scope := inventory.Glob(fmt.Sprintf("local/%d/**", i))
		if made, err := d.decide(c.first, d.ask(inventory.Approve, scope)); err != nil || made.State != inventory.StateProposed {
			t.Fatal(made, err)
		}
		made, err := d.decide(c.second, d.ask(inventory.Approve, scope))
		if c.counts && (err != nil || made.State != inventory.StateActive) {
			t.Errorf("%s then %s: %+v, %v", c.first.Name, c.second.Name, made, err)
		}
		if !c.counts {
			d.refuse(err, inventory.Conflict, "a second reviewer")
		}
	}
	viewer := actor(d.token(ada, "only looks", inventory.Viewer))
	_, err := d.decide(viewer, d.ask(inventory.Approve, "**"))
	d.refuse(err, inventory.Forbidden, "The token only looks has the role viewer")
	if e := d.entries()[0]; e.Action != "access.refused" || e.Actor.Kind != inventory.TokenActor || e.Actor.Name != "only looks" {
		t.Errorf("the refusal is written down as %+v", e)
	}
}
