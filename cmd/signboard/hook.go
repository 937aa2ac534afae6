package main

import (
	"fmt"
	"net/url"
	"time"

	"signboard/handlers/hook"
)

// hook receives the registries' events.
func (a *app) hook() *hook.Hook {
	c := hook.Config{Store: a.store, Hinted: a.syncer.Hinted, Clock: time.Now, Log: a.log, Received: a.metrics.Event}
	for _, r := range a.config.Registries {
		host := ""
		if u, err := url.Parse(r.URL); err == nil {
			host = u.Hostname()
		}
		c.Registries = append(c.Registries, hook.Registry{Name: r.Name, Host: host, Secret: r.HookSecret, Repositories: r.registry.Repositories})
		if n := len(r.HookSecret); n > 0 && n < 16 {
			a.log.Warn("a hook secret this short can be guessed", "key", "registries."+r.Name+".hook_secret", "characters", n)
		}
	}
	return hook.New(c)
}

// checkHookSecret refuses a secret that couldn't travel: a header has no line
// breaks and no spaces at its ends.
func checkHookSecret(at, s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && (i == 0 || i == len(s)-1) {
			return fmt.Errorf("%s.hook_secret: expected printable ASCII characters without a space at the beginning or end", at)
		}
	}
	return nil
}
