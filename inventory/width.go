package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// Width says who can sign as something that a pattern of identities matches.
type Width int

const (
	OneIdentity Width  = iota // no pattern
	AnyTag                    // any tag of one workflow, by whoever may make one
	AnyRef                    // any branch or tag of one workflow
	AnyWorkflow               // any workflow of one repository
	AnyBelow                  // anything below one name of an organisation: its repositories, its workloads
	AnyOfDomain               // anybody in an e-mail domain, any workload of a trust domain
	AnyOfIssuer               // anybody to whom the issuer gives an identity
	widths      = iota        // how many there are
)

var widthWords = [widths]string{"exact", "tags", "refs", "workflows", "organisation", "domain", "issuer"}

func (w Width) String() string { return widthWords[w] }

// Reach is how wide a pattern of identities is, in words.
type Reach struct {
	Width Width
	Says  string // who can sign as something that it matches, in one sentence
	// Acknowledge: whoever approves it has to say that they understand.
	Acknowledge bool
	// Refused is why nobody may approve it; empty when they may.
	Refused string
}

// publicIssuers give an identity to anybody on the internet.
var publicIssuers = []string{
	"https://token.actions.githubusercontent.com",
	"https://gitlab.com",
	"https://accounts.google.com",
	"https://github.com/login/oauth",
	"https://login.microsoftonline.com",
	"https://oauth2.sigstore.dev/auth",
	"https://agent.buildkite.com",
	"https://oidc.codefresh.io",
}

// publicMail are domains in which anybody can have an address.
var publicMail = []string{
	"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com", "me.com", "aol.com",
	"proton.me", "protonmail.com", "gmx.com", "gmx.de", "gmx.net", "web.de", "mail.com", "mail.ru", "yandex.com", "yandex.ru", "zoho.com",
	"fastmail.com", "tutanota.com", "qq.com", "163.com", "126.com", "users.noreply.github.com",
}

// Reach grades a pattern of the identities of a signer's issuer by where its
// first wildcard stands: what is before it is all that whoever wants to match has
// to be allowed.
func (p IdentityPattern) Reach(of SignerID) Reach {
	issuer, _, _ := of.Identity()
	if p == "" {
		return Reach{Width: OneIdentity, Says: "Only this identity."}
	}
	r := p.reach(issuer)
	r.Acknowledge = r.Width >= AnyBelow && r.Refused == ""
	return r
}

func (p IdentityPattern) reach(issuer string) Reach {
	public := slices.Contains(publicIssuers, issuer)
	everybody := Reach{Width: AnyOfIssuer, Says: fmt.Sprintf("Everybody to whom %s gives an identity can sign as one of these.", Visible(issuer))}
	if public {
		everybody.Refused = fmt.Sprintf("%s gives identities to anybody on the internet, and this pattern doesn't hold to one of its organisations. Write the organisation out, up to the / after it.", Visible(issuer))
	}
	literal, _, _ := strings.Cut(string(p), "*")
	scheme, rest, uri := strings.Cut(literal, "://")
	if !uri {
		return p.mailReach(everybody)
	}
	parts := strings.Split(rest, "/") // the last is what stands right before the wildcard
	path := string(p)[len(scheme)+len("://"):]
	inside := inRepository(path, parts)
	_, ref, refs := strings.Cut(strings.TrimPrefix(rest, repositoryOf(parts)), "@")
	switch {
	case len(parts) == 1:
		return everybody
	case scheme == "spiffe" && len(parts) == 2:
		return Reach{Width: AnyOfDomain, Says: fmt.Sprintf("Every workload of the trust domain %s can sign as one of these.", parts[0])}
	case scheme == "spiffe":
		return Reach{Width: AnyBelow, Says: fmt.Sprintf("Every workload below %s, and whoever may register one there, can sign as one of these.", strings.Join(parts[:len(parts)-1], "/"))}
	case len(parts) == 2:
		return everybody
	case inside && refs && strings.HasPrefix(ref, "refs/tags/"):
		return Reach{Width: AnyTag, Says: fmt.Sprintf("Whoever may push a tag to %s can sign as one of these.", repositoryOf(parts))}
	case inside && refs:
		return Reach{Width: AnyRef, Says: fmt.Sprintf("Whoever may push a branch or a tag to %s, and change the workflow there, can sign as one of these.", repositoryOf(parts))}
	case inside:
		return Reach{Width: AnyWorkflow, Says: fmt.Sprintf("Whoever may push to %s can sign as one of these, by a workflow of their own.", repositoryOf(parts))}
	}
	return Reach{Width: AnyBelow, Says: fmt.Sprintf("Whoever may make or change something below %s can sign as one of these.", strings.Join(parts[:len(parts)-1], "/"))}
}

// mailReach grades what is no address of the web: e-mail addresses and user
// names, which are told from their domain by the last @ or !.
func (p IdentityPattern) mailReach(everybody Reach) Reach {
	at := strings.LastIndexAny(string(p), "@!")
	if at < 0 {
		return everybody
	}
	domain := string(p)[at+1:]
	switch {
	case strings.Contains(domain, "*") || domain == "":
		return everybody
	case strings.Contains(string(p)[:at], "**"): // which may hold another @
		return everybody
	case slices.Contains(publicMail, strings.ToLower(domain)):
		everybody.Refused = fmt.Sprintf("Anybody on the internet can have an address at %s. Approve the addresses that you know, one by one.", domain)
		return everybody
	}
	return Reach{Width: AnyOfDomain, Says: fmt.Sprintf("Everybody who has or gets an address at %s can sign as one of these.", domain)}
}

// repositoryOf is the host, the organisation and the repository of an address:
// what stands before /.github, before the // of GitLab, or before the third
// slash.
func repositoryOf(parts []string) string {
	for i, part := range parts {
		if i > 1 && (part == "" || strings.HasPrefix(part, ".")) {
			return strings.Join(parts[:i], "/")
		}
	}
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// inRepository reports whether what stands before the first wildcard holds to one
// repository: the wildcard comes after what ends a repository's name. GitLab's
// groups are of any depth, so that only // ends one there.
func inRepository(path string, parts []string) bool {
	whole := parts[:len(parts)-1]
	if strings.Contains(path, "//") || strings.HasPrefix(path, "gitlab.") {
		return slices.Contains(whole, "")
	}
	return len(whole) > 2
}

// Widenings are the patterns that an approval of a keyless identity can sensibly
// be widened to, from narrow to wide; none where its form isn't known or where
// nobody may approve them.
func (id SignerID) Widenings() []IdentityPattern {
	_, name, ok := id.Identity()
	if !ok || Suspicious(name) || strings.Contains(name, "*") {
		return nil
	}
	var list []IdentityPattern
	scheme, rest, uri := strings.Cut(name, "://")
	switch {
	case !uri:
		if _, domain, mail := strings.Cut(name, "@"); mail {
			list = append(list, IdentityPattern("*@"+domain))
		}
	case scheme == "spiffe":
		parts := strings.Split(rest, "/")
		if len(parts) > 2 {
			list = append(list, IdentityPattern("spiffe://"+strings.Join(parts[:len(parts)-1], "/")+"/*"))
		}
		list = append(list, IdentityPattern("spiffe://"+parts[0]+"/**"))
	default:
		list = workflowWidenings(scheme, rest)
	}
	return slices.DeleteFunc(list, func(p IdentityPattern) bool {
		_, err := ParseIdentityPattern(string(p))
		return err != nil || !p.Match(name) || p.Reach(id).Refused != ""
	})
}

// workflowWidenings are those of an address that ends in the ref of a workflow.
func workflowWidenings(scheme, rest string) []IdentityPattern {
	at := strings.LastIndex(rest, "@refs/")
	if at < 0 {
		return nil
	}
	workflow, ref := rest[:at], rest[at+1:]
	pattern := func(s string) IdentityPattern { return IdentityPattern(scheme + "://" + s) }
	var list []IdentityPattern
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		any := "*"
		if strings.Contains(tag, "/") {
			any = "**"
		}
		list = append(list, pattern(workflow+"@refs/tags/"+any))
	}
	list = append(list, pattern(workflow+"@refs/**"))
	repository := repositoryOf(strings.Split(workflow, "/"))
	below, _ := strings.CutPrefix(workflow, repository)
	if repository == workflow || below == "" {
		return list
	}
	file := strings.LastIndex(below, "/")
	list = append(list, pattern(repository+below[:file+1]+"*@refs/**"))
	if owner := strings.LastIndex(repository, "/"); strings.Count(repository, "/") > 1 {
		list = append(list, pattern(repository[:owner+1]+"*"+below+"@"+ref), pattern(repository[:owner+1]+"**"))
	}
	return list
}
