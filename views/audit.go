package views

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// AuditURL is the address of a list of the audit log; cursor is empty for its
// first page.
func AuditURL(f inventory.AuditFilter, cursor string) string {
	q := url.Values{}
	for _, field := range auditFields(f) {
		q.Set(field.Name, field.Value)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return ui.WithQuery("/audit", q)
}

// AuditEntryURL is the permanent address of an entry.
func AuditEntryURL(index int64) string { return "/audit/" + strconv.FormatInt(index, 10) }

// AuditOfURL leads to the entry of a decision, a quarantine or a token, by its id.
func AuditOfURL(id string) string { return "/audit/of/" + url.PathEscape(id) }

// auditFields are the words of a filter, as its address has them.
func auditFields(f inventory.AuditFilter) []ui.FilterField {
	var list []ui.FilterField
	add := func(name, value string) {
		if value != "" {
			list = append(list, ui.FilterField{Name: name, Value: value})
		}
	}
	add("who", f.Who)
	add("action", f.Action)
	add("object", f.Object)
	add("from", auditDay(f.From, 0))
	add("to", auditDay(f.To, -1))
	return list
}

// auditDay is how a moment stands in a form: as a day where it is the beginning of
// one.
func auditDay(t *time.Time, days int) string {
	switch {
	case t == nil:
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.AddDate(0, 0, days).Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

// dayInput is the kind of a form's field: a moment that came by address isn't a day.
func dayInput(value string) string {
	if strings.Contains(value, "T") {
		return "text"
	}
	return "date"
}

// auditWithout is the filter without one of its words.
func auditWithout(f inventory.AuditFilter, name string) inventory.AuditFilter {
	switch name {
	case "who":
		f.Who = ""
	case "action":
		f.Action = ""
	case "object":
		f.Object = ""
	case "from":
		f.From = nil
	case "to":
		f.To = nil
	}
	return f
}

var auditFieldWords = map[string]string{"who": "Who", "action": "What", "object": "On", "from": "From", "to": "To"}

func auditFieldValue(f ui.FilterField) string {
	if f.Name != "action" {
		return ui.Middle(inventory.Visible(f.Value), 80)
	}
	if word, ok := familyWords[f.Value]; ok {
		return word
	}
	return upperFirst(actionWord(f.Value))
}

// actionWords say what somebody did. Each of inventory.AuditActions has one.
var actionWords = map[string]string{
	"signer.propose": "proposed to approve a signer", "signer.approve": "approved a signer", "signer.reject": "rejected a signer",
	"signer.revoke": "revoked a signer", "signer.rotate": "approved a signer in place of another", "signer.decline": "declined a proposal", "signer.withdraw": "withdrew a proposal", "key.register": "registered a key",
	"image.quarantine": "held an image back", "image.quarantine_end": "changed when a quarantine ends", "image.release": "released an image",
	"access.refused": "was refused",
	"session.start":  "signed in", "session.end": "signed out", "session.revoke": "ended sessions elsewhere",
	"token.create": "made a token", "token.revoke": "ended a token",
	"registry.sync": "started a sync", "registry.cancel": "cancelled a sync",
	"registry.fail": "could not read a registry", "registry.recover": "could read a registry again",
	"registry.add": "took a registry in", "registry.change": "changed how a registry is read", "registry.remove": "took a registry out",
	"signature.vanish": "missed a signature that was trusted",
	"team.add":         "made a team", "team.change": "changed a team", "team.remove": "took a team out",
	"trust.add": "took a root of trust in", "trust.change": "changed a root of trust", "trust.remove": "took a root of trust out",
	"trust.update":  "fetched a newer root of trust",
	"config.change": "began with other settings",
	"clock.rewind":  "found the clock put back",
}

// familyWords say what all actions of a family are about.
var familyWords = map[string]string{
	"signer": "Decisions about signers", "key": "Keys", "image": "Quarantine", "access": "Refusals", "session": "Sign-ins and sign-outs",
	"token": "Tokens", "registry": "Registries", "signature": "Removed signatures", "team": "Teams", "trust": "Roots of trust",
	"config": "Settings", "clock": "The clock",
}

// actionWord says an audit entry's action in plain words.
func actionWord(action string) string {
	if w, ok := actionWords[action]; ok {
		return w
	}
	return inventory.Visible(strings.NewReplacer(".", " ", "_", " ").Replace(action))
}

// actionsOf are the actions of a family.
func actionsOf(family string) []string {
	var list []string
	for _, action := range inventory.AuditActions {
		if inventory.AuditFamily(action) == family {
			list = append(list, action)
		}
	}
	return list
}

// auditSentence is the page's answer: whether the log is whole, and as of when.
func auditSentence(p AuditPage) string {
	entries := ui.Count(int(p.Size), "entry", "entries")
	check := p.State.Check
	switch {
	case check == nil:
		return entries + ", being checked now."
	case check.Bad != nil:
		return fmt.Sprintf("The log was changed: entry %d isn't what was written.", *check.Bad)
	case check.Message != "":
		return entries + ", which could not be checked."
	}
	return entries + ", whole when last checked " + ui.Relative(p.Frame.Now, check.At) + "."
}

func checkpointSentence(p AuditPage) string {
	said := "Checkpoint of " + ui.Count(int(p.Size), "entry", "entries")
	if !p.SignedAt.IsZero() {
		said += ", signed " + ui.Exact(p.SignedAt)
	}
	return said
}

// auditLink is the page of what an entry is about, empty when there is none.
func auditLink(e inventory.AuditEntry) string {
	if id := inventory.SignerID(e.Object); id.Valid() {
		return id.Path()
	}
	if d, err := inventory.ParseDigest(e.Object); err == nil {
		return ImagesURL(inventory.ImageFilter{Q: string(d)}, "")
	}
	switch inventory.AuditFamily(e.Action) {
	case "image":
		if i := strings.LastIndexByte(e.Object, ':'); i > 0 && strings.Contains(e.Object[:i], "/") {
			if _, err := inventory.ParseGlob(e.Object[:i]); err == nil {
				return ImagesURL(inventory.ImageFilter{Repository: inventory.Glob(e.Object[:i]), Tag: e.Object[i+1:]}, "")
			}
		}
	case "registry", "sync":
		return "/registries"
	case "team":
		return ui.TeamURL(e.Object)
	case "trust":
		return "/trust"
	case "token":
		return "/tokens"
	}
	return ""
}

// auditRow is a field of what an entry is about, as it was and as it became.
type auditRow struct {
	Name          string
	Before, After []string // lines; nil: that side doesn't speak of it
	Changed       bool     // both do, and differ
}

// auditRows are the fields of what an entry changed. ok is false when either side
// isn't a JSON object: then both are shown as they are.
func auditRows(before, after string) (rows []auditRow, ok bool) {
	was, wasNames, err := fieldsOf(before)
	if err != nil {
		return nil, false
	}
	is, isNames, err := fieldsOf(after)
	if err != nil {
		return nil, false
	}
	names := isNames
	for _, name := range wasNames {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		row := auditRow{Name: fieldName(name), Before: was[name], After: is[name]}
		row.Changed = row.Before != nil && row.After != nil && !slices.Equal(row.Before, row.After)
		rows = append(rows, row)
	}
	return rows, true
}

// fieldsOf reads a JSON object as lines by name, in the order of the text.
func fieldsOf(text string) (map[string][]string, []string, error) {
	fields := map[string][]string{}
	if text == "" {
		return fields, nil, nil
	}
	var any map[string]json.RawMessage
	if err := inventory.StrictJSON([]byte(text), &any); err != nil {
		return nil, nil, err
	}
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("not an object")
	}
	var names []string
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, nil, io.ErrUnexpectedEOF
		}
		names = append(names, name)
		fields[name] = linesOf(value)
	}
	return fields, names, nil
}

// linesOf is a value as a person reads it: a list in lines, a moment as moments are
// shown, and of an object its JSON.
func linesOf(value json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && list != nil {
		lines := []string{}
		for _, v := range list {
			lines = append(lines, linesOf(v)...)
		}
		if len(lines) == 0 {
			return []string{"none"}
		}
		return lines
	}
	var text *string
	if json.Unmarshal(value, &text) == nil {
		if text == nil || *text == "" {
			return []string{"nothing"}
		}
		if t, err := time.Parse(time.RFC3339, *text); err == nil {
			return []string{ui.Exact(t)}
		}
		return []string{*text}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) == nil && len(object) > 0 {
		var parts []string
		for _, name := range sortedNames(object) {
			parts = append(parts, fieldName(name)+": "+strings.Join(linesOf(object[name]), ", "))
		}
		return []string{strings.Join(parts, " · ")}
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return []string{string(value)}
	}
	return []string{b.String()}
}

func sortedNames(m map[string]json.RawMessage) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func fieldName(name string) string {
	return upperFirst(strings.ReplaceAll(strings.ReplaceAll(name, "_", " "), ".", " · "))
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
