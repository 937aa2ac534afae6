package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// reference is an image as a command names it, found in the configuration.
type reference struct {
	typed      string
	registry   RegistryConfig
	repository string // without the registry
	at         string // a tag or a digest
}

// String is how the image is called in the inventory: registry/repository:tag.
func (r reference) String() string {
	separator := ":"
	if strings.Contains(r.at, ":") {
		separator = "@"
	}
	return r.registry.Name + "/" + r.repository + separator + r.at
}

// locate finds the image that somebody typed: host[:port]/repository[:tag|@digest],
// or the name of a configured registry in the place of its host. With a digest,
// a tag says nothing; with neither, the tag is latest. Names without a host are
// Docker Hub's, where that is configured.
func (c *Config) locate(typed string) (reference, error) {
	r := reference{typed: typed, at: "latest"}
	name, digest, byDigest := strings.Cut(typed, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name, r.at = name[:colon], name[colon+1:]
	}
	if byDigest {
		d, err := inventory.ParseDigest(digest)
		if err != nil {
			return r, inventory.Errorf(inventory.Invalid, "%q names no image: %v.", inventory.Visible(shorten(typed)), err)
		}
		r.at = string(d)
	}
	found := false
	if r.registry, r.repository, found = c.match(name); !found {
		return r, inventory.Errorf(inventory.Invalid, "%q is in no configured registry. %s", inventory.Visible(shorten(typed)), c.choices())
	}
	if !registry.ValidName(r.repository, r.at) {
		return r, inventory.Errorf(inventory.Invalid, "%q can't be the name of an image. Write it as %s/team/app:v1 or %s/team/app@sha256:….",
			inventory.Visible(shorten(typed)), hostOf(r.registry), hostOf(r.registry))
	}
	return r, nil
}

// locatePlace is locate for the pages: the repository as registry/repository, and
// the tag or digest.
func (c *Config) locatePlace(typed string) (repository, at string, err error) {
	r, err := c.locate(typed)
	return r.registry.Name + "/" + r.repository, r.at, err
}

// match finds the registry that a name begins with, by its host before its name
// in the configuration. Of several at one host it is the first that the
// repository is configured for.
func (c *Config) match(name string) (RegistryConfig, string, bool) {
	first, rest, slash := strings.Cut(name, "/")
	var at []RegistryConfig
	repository := rest
	if slash {
		for _, r := range c.Registries {
			if serves(r, first) {
				at = append(at, r)
			}
		}
		for _, r := range c.Registries {
			if len(at) == 0 && r.Name == first {
				at = append(at, r)
			}
		}
	}
	if len(at) == 0 && !strings.ContainsAny(first, ".:") && first != "localhost" {
		repository = name
		for _, r := range c.Registries {
			if hostOf(r) == hub {
				at = append(at, r)
			}
		}
	}
	if len(at) == 0 {
		return RegistryConfig{}, "", false
	}
	if hostOf(at[0]) == hub && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	for _, r := range at {
		if inventory.MatchAny(r.registry.Repositories, repository) {
			return r, repository, true
		}
	}
	return at[0], repository, true
}

// choices says which registries an image can be in.
func (c *Config) choices() string {
	var names []string
	for _, r := range c.Registries {
		names = append(names, fmt.Sprintf("%s (%s)", r.Name, hostOf(r)))
	}
	if len(names) == 0 {
		return "None is: add one under registries in the configuration."
	}
	return fmt.Sprintf("Configured: %s. Begin with one of these hosts or names, or add the registry to the configuration.", strings.Join(names, ", "))
}

const hub = "docker.io"

// hostOf is where a registry is, as images name it.
func hostOf(r RegistryConfig) string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return r.URL
	}
	host := strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; strings.HasSuffix(host, port) {
		host = strings.TrimSuffix(host, port)
	}
	return canonical(host)
}

// serves reports whether a registry is at the host.
func serves(r RegistryConfig, host string) bool {
	u, err := url.Parse(r.URL)
	return err == nil && strings.EqualFold(u.Host, host) || hostOf(r) == canonical(strings.ToLower(host))
}

// canonical is a host by the name that its users know it by.
func canonical(host string) string {
	host = strings.TrimSuffix(host, ":443")
	if slices.Contains([]string{"index.docker.io", "registry-1.docker.io"}, host) {
		return hub
	}
	return host
}

// shorten cuts what somebody typed to a length that fits into a message.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
