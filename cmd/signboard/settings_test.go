package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

// entries are all of the log, the oldest first.
func (o office) entries() []inventory.AuditEntry {
	o.Helper()
	a := o.opened()
	defer a.close()
	list, _, err := a.store.AuditEntries(o.Context(), inventory.Page{Limit: inventory.MaxPage})
	if err != nil {
		o.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// TestSettings_writeDownWhatChangedAndNoSecret starts with one configuration after
// another: each difference is an entry with both sides, and nothing else is.
func TestSettings_writeDownWhatChangedAndNoSecret(t *testing.T) {
	o := newOffice(t)
	first := "registries: [{name: local, url: \"http://127.0.0.1:1\", repositories: [app], username: robot, password: hunter2hunter2}, {name: old, url: \"http://127.0.0.1:2\"}]\n" +
		"teams: [{name: payments, repositories: [\"local/pay/**\"]}]\n"
	o.configure("{}", first)
	list := o.entries()
	if len(list) != 1 || list[0].Action != "config.change" || !strings.Contains(list[0].After, `"registry":["local","old"]`) || list[0].Before != "" || list[0].Actor.Kind != inventory.SystemActor {
		t.Fatalf("the first start is %+v", list)
	}
	if again := o.entries(); len(again) != 1 {
		t.Errorf("the same configuration is %+v", again[1:])
	}
	o.configure("{webhook: {url: \"https://witness.test/x?key=topsecretkey\", secret: sesamesesamesesame}}",
		strings.NewReplacer("hunter2hunter2", "correcthorse", "[app]", "[app, web]", "{name: old, url: \"http://127.0.0.1:2\"}", "{name: new, url: \"http://127.0.0.1:3\", token: sometoken}", "payments", "platform").Replace(first)+"review: {approvers: 2}\n")
	var got []string
	for _, e := range o.entries()[1:] {
		got = append(got, fmt.Sprintf("%s %s %s > %s", e.Action, e.Object, e.Before, e.After))
	}
	want := []string{
		`registry.change local {"password":"set","repositories":["app"]} > {"password":"changed","repositories":["app","web"]}`,
		`registry.add new  > `, `registry.remove old {`, `team.remove payments {`, `team.add platform  > {`,
		`config.change settings {"audit":{`,
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, w) }) {
			t.Errorf("%s is missing", w)
		}
	}
	if len(got) != len(want) || !strings.Contains(strings.Join(got, ""), `"approvers":2`) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	all := strings.Join(got, "\n") + fmt.Sprint(list)
	for _, secret := range []string{"hunter2", "correcthorse", "sesame", "sometoken", "topsecretkey"} {
		if strings.Contains(all, secret) {
			t.Errorf("the log says %s", secret)
		}
	}
	a := o.opened()
	defer a.close()
	settings, err := a.config.settings(a.store.AuditFingerprint)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"correcthorse", "sesame", "sometoken", "topsecretkey"} {
		if strings.Contains(string(kept), secret) {
			t.Errorf("the database keeps %s", secret)
		}
	}
	if len(o.entries()) != 1+len(want) {
		t.Error("starting again writes more")
	}
}
