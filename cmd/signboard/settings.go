package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
)

// secretKeys are the keys whose value is never written down, only that it is set, or
// changed.
var secretKeys = []string{"password", "token", "secret", "client_secret", "hook_secret", "listing_token"}

// contentKeys are keys that name a file of which the content matters, not the name.
var contentKeys = []string{"trusted_root", "tuf_root", "certificates", "ca"}

// recordSettings keeps the configuration that is in force, and has the audit log say
// in what it differs from the one before. What differs in a secret is only that it
// does.
func (c *Config) recordSettings(ctx context.Context, db *store.DB, fingerprint func(string) (string, error), now time.Time) error {
	is, err := c.settings(fingerprint)
	if err != nil {
		return err
	}
	return db.RecordSettings(ctx, is, func(before store.Settings) []inventory.AuditEntry { return settingsEntries(before, is, now) })
}

// settings are the parts of the configuration by what they are called in entries.
func (c *Config) settings(fingerprint func(string) (string, error)) (store.Settings, error) {
	parts := map[string]reflect.Value{}
	for _, f := range fieldsOf(reflect.ValueOf(*c)) {
		switch f.key {
		case "registries", "teams", "trust":
		default:
			parts["config/"+f.key] = f.value
		}
	}
	for _, r := range c.Registries {
		parts["registry/"+r.Name] = reflect.ValueOf(r)
	}
	for _, t := range c.Teams {
		parts["team/"+t.Name] = reflect.ValueOf(t)
	}
	for i, s := range c.Trust.Sigstore {
		parts[named(parts, "trust/sigstore/"+s.Name, i)] = reflect.ValueOf(s)
	}
	for i, s := range c.Trust.Notation {
		parts[named(parts, "trust/notation/"+s.Name, i)] = reflect.ValueOf(s)
	}
	for i, s := range c.Trust.Notary {
		parts[named(parts, "trust/notary/"+s.Registry, i)] = reflect.ValueOf(s)
	}
	is := store.Settings{}
	for name, part := range parts {
		plain, err := plainly(name[strings.LastIndexByte(name, '/')+1:], part, fingerprint)
		if err != nil {
			return nil, err
		}
		if body, err := json.Marshal(plain); err != nil {
			return nil, err
		} else if string(body) != "null" && string(body) != "{}" {
			is[name] = body
		}
	}
	return is, nil
}

// named is a name that no other part has.
func named(parts map[string]reflect.Value, name string, i int) string {
	if _, taken := parts[name]; taken {
		return fmt.Sprintf("%s (%d)", name, i+1)
	}
	return name
}

type configField struct {
	key   string
	value reflect.Value
}

// fieldsOf are the fields that a configuration's struct reads, by their keys.
func fieldsOf(v reflect.Value) []configField {
	var list []configField
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("koanf"); key != "" {
			list = append(list, configField{key, v.Field(i)})
		}
	}
	return list
}

// plainly is a value of the configuration as JSON has it: without what isn't set, a
// secret as its fingerprint, and a file that matters with the digest of its content.
func plainly(key string, v reflect.Value, fingerprint func(string) (string, error)) (any, error) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String(), nil
	}
	switch v.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		for _, f := range fieldsOf(v) {
			if f.value.IsZero() {
				continue
			}
			plain, err := plainly(f.key, f.value, fingerprint)
			if err != nil {
				return nil, err
			}
			fields[f.key] = plain
		}
		return fields, nil
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			plain, err := plainly(key, v.Index(i), fingerprint)
			if err != nil {
				return nil, err
			}
			list = append(list, plain)
		}
		return list, nil
	case reflect.String:
		text := v.String()
		switch {
		case text == "":
		case slices.Contains(secretKeys, key):
			print, err := fingerprint(text)
			return map[string]string{"secret": print}, err
		case slices.Contains(contentKeys, key):
			if raw, err := os.ReadFile(text); err == nil {
				return text + " (" + string(inventory.DigestOf(raw)) + ")", nil
			}
		case strings.Contains(text, "://"):
			return bare(text, fingerprint)
		}
		return text, nil
	}
	return v.Interface(), nil
}

// bare is an address with its user's password and its query as fingerprints: both
// may hold secrets.
func bare(address string, fingerprint func(string) (string, error)) (any, error) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil && u.RawQuery == "" {
		return address, err
	}
	print, err := fingerprint(u.User.String() + "?" + u.RawQuery)
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery = ""
	return map[string]string{"address": u.String(), "secret": print}, err
}

// settingsEntries say in what a configuration differs from the one before.
func settingsEntries(before, is store.Settings, now time.Time) []inventory.AuditEntry {
	actor := inventory.Actor{Kind: inventory.SystemActor, Name: "signboard"}
	entry := func(action, object, reason string, was, became map[string]any) inventory.AuditEntry {
		e := inventory.AuditEntry{At: now, Actor: actor, Action: action, Object: object, Reason: reason}
		if was != nil {
			e.Before = jsonText(was)
		}
		if became != nil {
			e.After = jsonText(became)
		}
		return e
	}
	if before == nil {
		after := map[string]any{}
		for name, body := range is {
			if family, object, _ := strings.Cut(name, "/"); family == "config" {
				after[object] = shown(body)
			} else {
				list, _ := after[family].([]string)
				after[family] = append(list, object)
			}
		}
		for _, list := range after {
			if names, ok := list.([]string); ok {
				slices.Sort(names)
			}
		}
		return []inventory.AuditEntry{entry("config.change", "settings", "The first configuration of this database.", nil, after)}
	}
	var list []inventory.AuditEntry
	changed, became := map[string]any{}, map[string]any{}
	names := slices.Collect(maps.Keys(before))
	for name := range is {
		if before[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, now := before[name], is[name]
		if string(was) == string(now) {
			continue
		}
		family, object, _ := strings.Cut(name, "/")
		left, right := differing(was, now)
		switch {
		case family == "config":
			changed[object], became[object] = left, right
		case was == nil:
			list = append(list, entry(family+".add", object, "It is in the configuration now.", nil, right))
		case now == nil:
			list = append(list, entry(family+".remove", object, "It is no longer in the configuration.", left, nil))
		default:
			list = append(list, entry(family+".change", object, "The configuration says something else of it.", left, right))
		}
	}
	if len(changed) > 0 {
		list = append(list, entry("config.change", "settings", "The configuration says something else.", changed, became))
	}
	return list
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("settings: " + err.Error()) // strings, numbers and lists that were read from JSON
	}
	return string(b)
}

// differing are the keys in which two parts differ, as each has them.
func differing(was, is json.RawMessage) (left, right map[string]any) {
	left, right = fieldsIn(was), fieldsIn(is)
	for key, value := range left {
		if other, ok := right[key]; ok && reflect.DeepEqual(value, other) {
			delete(left, key)
			delete(right, key)
		}
	}
	for key, value := range left {
		other, ok := right[key]
		left[key] = masked(value, false)
		if ok {
			right[key] = masked(other, true)
		} else if is != nil {
			right[key] = nil
		}
	}
	for key, value := range right {
		if _, ok := left[key]; !ok && value != nil {
			right[key] = masked(value, false)
			if was != nil {
				left[key] = nil
			}
		}
	}
	return left, right
}

// fieldsIn are the fields of a part; one that is no object is the field value.
func fieldsIn(body json.RawMessage) map[string]any {
	if body == nil {
		return map[string]any{}
	}
	fields := map[string]any{}
	if err := json.Unmarshal(body, &fields); err == nil {
		if _, isSecret := fields["secret"].(string); isSecret && len(fields) <= 2 { // an address, or a secret by itself
			return map[string]any{"value": fields}
		}
		return fields
	}
	return map[string]any{"value": shown(body)}
}

func shown(body json.RawMessage) any {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return string(body)
	}
	return masked(v, false)
}

// masked has words where secrets are.
func masked(v any, changed bool) any {
	switch v := v.(type) {
	case map[string]any:
		if print, ok := v["secret"].(string); ok && print != "" {
			word := "set"
			if changed {
				word = "changed"
			}
			if address, ok := v["address"].(string); ok {
				return address + " (secret part " + word + ")"
			}
			return word
		}
		out := map[string]any{}
		for key, value := range v {
			out[key] = masked(value, changed)
		}
		return out
	case []any:
		out := []any{}
		for _, value := range v {
			out = append(out, masked(value, changed))
		}
		return out
	}
	return v
}
