package dct

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// tokenHosts are the token services that are known to belong to a signing
// server on another host.
var tokenHosts = map[string]string{"notary.docker.io": "auth.docker.io"}

// anonymous gets a token for a reader without a name, as public repositories
// of hosted servers demand one (RFC 6750, section 3; distribution, "Token
// Authentication Specification"). It sends no credentials, so that a server that
// names a service of its own choice gains nothing; it asks no other hosts than
// the server's and those in tokenHosts, so that it can't be sent about either.
func (s *session) anonymous(ctx context.Context, challenge string) (string, bool) {
	scheme, rest, _ := strings.Cut(challenge, " ")
	if !strings.EqualFold(scheme, "Bearer") || len(rest) > 4096 {
		return "", false
	}
	parameters := map[string]string{}
	for rest != "" {
		name, after, ok := strings.Cut(strings.TrimLeft(rest, " ,"), `="`)
		value, tail, closed := strings.Cut(after, `"`)
		if !ok || !closed {
			break
		}
		parameters[strings.ToLower(name)], rest = value, tail
	}
	realm, err := url.Parse(parameters["realm"])
	if err != nil || realm.User != nil || realm.Scheme != "https" && realm.Scheme != s.base.Scheme ||
		realm.Host != s.base.Host && realm.Host != tokenHosts[s.base.Hostname()] {
		return "", false
	}
	query := realm.Query()
	for _, name := range []string{"service", "scope"} {
		if v := parameters[name]; v != "" {
			query.Set(name, v)
		}
	}
	realm.RawQuery = query.Encode()
	b, status, _, err := s.ask(ctx, realm, "", 64<<10)
	if err != nil || status != http.StatusOK {
		return "", false
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(b, &answer) != nil {
		return "", false
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	return answer.Token, answer.Token != "" && !strings.ContainsAny(answer.Token, "\r\n")
}
