package inventory

import (
	"fmt"
	"strings"
)

// Reproduce is the command of the format's own tool (cosign 2 or 3, notation,
// docker) that repeats the check of a signature on an image. It names the image
// by digest, whom the signature is by, and for anything that a person has to
// have at hand, a file to put in its place: the key as NAME.pub, the root of
// trust as NAME.json. address is where the registry is: host[:port], or with
// http:// or https:// in front. It is empty for what no tool can repeat.
//
// What is signed with chooses the words of the command, and it may be hostile:
// every word is quoted for a POSIX shell, so that nothing in it is anything but
// a word, and nothing that can't be seen hides in it.
func Reproduce(i Image, s Signature, address string) string {
	at := place(i, address)
	switch s.Format {
	case FormatSimpleSigning, FormatBundle:
		c := command{"cosign", "verify"}
		domain := s.Domain
		for _, l := range s.Chain { // whose log or authority vouches for a key's signature
			if domain == "" && l.Role.Branch() && result(s.Checks, "log_entry") == Pass {
				domain = fact(l.Facts, "Root of trust")
			}
		}
		c = c.cosign(s.Format == FormatBundle, s.Signer, domain, s.Checks)
		if s.Signer == nil || s.Signer.ID.Kind() == KeySigner {
			c = c.hash(s)
		}
		if s.Format == FormatSimpleSigning && result(s.Checks, "manifest_subject") == Pass {
			c = append(c, "--experimental-oci11") // found as a referrer, not under its tag
		}
		return c.on(at, "--allow-http-registry")
	case FormatNotationJWS, FormatNotationCOSE:
		return command{"notation", "verify"}.on(at, "--insecure-registry")
	case FormatDCT:
		return trust(at, s)
	}
	return ""
}

// trust is docker's command, which knows tags only and shows their digests. The
// repository is called as it is in what was signed.
func trust(at spot, s Signature) string {
	at.digest = ""
	server := ""
	for _, l := range s.Chain {
		switch l.Role {
		case RoleStatement:
			if name := fact(l.Facts, "Repository"); name != "" {
				at.repository = name
			}
			at.tag, _, _ = strings.Cut(fact(l.Facts, "Tags signed"), ", ")
		case RoleRoot:
			server = fact(l.Facts, "Server")
		}
	}
	if strings.ContainsFunc(at.tag, unseen) || strings.ContainsAny(at.tag, " …⟨") {
		at.tag = "" // it was cut, or written otherwise than it is
	}
	c := command{"docker", "trust", "inspect", "--pretty"}.on(at, "")
	if server != "" && c != "" && !strings.HasPrefix(server, "https://notary.docker.io") { // docker's own
		c = "DOCKER_CONTENT_TRUST_SERVER=" + quote(server) + " \\\n  " + c
	}
	return c
}

// ReproduceAttestation is Reproduce for an attestation. It is empty for one that
// nobody signed.
func ReproduceAttestation(i Image, a Attestation, address string) string {
	if a.Reason == ReasonNoSignature || a.PredicateType == "" {
		return ""
	}
	// Envelopes of .att manifests name no subject, bundles always do; what is
	// neither said nor denied is today's form.
	bundle := result(a.Checks, "manifest_subject") != Skip
	c := command{"cosign", "verify-attestation", "--type", a.PredicateType}
	return c.cosign(bundle, a.Signer, a.Domain, a.Checks).on(place(i, address), "--allow-http-registry")
}

// spot is what a command is about.
type spot struct {
	repository string // with its host
	digest     Digest
	tag        string
	plain      bool // the registry speaks HTTP
}

func place(i Image, address string) spot {
	at := spot{digest: i.Digest}
	if rest, ok := strings.CutPrefix(address, "http://"); ok {
		address, at.plain = rest, true
	}
	host := strings.TrimRight(strings.TrimPrefix(address, "https://"), "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io" // as its users, and their signatures, call it
	}
	at.repository = host + "/" + i.Repository
	return at
}

func (s spot) String() string {
	switch {
	case s.digest != "":
		return s.repository + "@" + string(s.digest)
	case s.tag != "":
		return s.repository + ":" + s.tag
	}
	return s.repository
}

// command is a command's words before they are quoted.
type command []string

// cosign adds what cosign has to be told to check this signature and no other.
// Both of its major versions take the form of the signature when it is said;
// unsaid, they differ.
func (c command) cosign(bundle bool, signer *Signer, domain string, checks []Check) command {
	if bundle {
		c = append(c, "--new-bundle-format")
	} else {
		c = append(c, "--new-bundle-format=false")
	}
	keyless := signer != nil && signer.ID.Kind() == KeylessSigner || signer == nil && result(checks, "certificate") != ""
	if keyless {
		issuer, identity := "ISSUER", "IDENTITY"
		if signer != nil {
			issuer, identity, _ = strings.Cut(strings.TrimPrefix(string(signer.ID), string(KeylessSigner)+":"), "|")
		}
		c = append(c, "--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
	} else {
		c = append(c, "--key", keyFile(signer))
	}
	if domain != "" && domain != "public-good" { // cosign's own root
		c = append(c, "--trusted-root", fileName(domain)+".json")
	}
	timed := result(checks, "timestamp") == Pass
	if timed {
		c = append(c, "--use-signed-timestamps")
	}
	if logged := result(checks, "log_entry") == Pass; !logged && (timed || !keyless) {
		c = append(c, "--insecure-ignore-tlog")
	}
	if result(checks, "certificate_transparency") == Skip {
		c = append(c, "--insecure-ignore-sct")
	}
	return c
}

// hash names the hash that was signed, where it isn't SHA-256: with a key,
// cosign's verify doesn't find that out by itself.
func (c command) hash(s Signature) command {
	for _, l := range s.Chain {
		if l.Role != RoleSignature {
			continue
		}
		switch _, hash, _ := strings.Cut(fact(l.Facts, "Scheme"), " with "); hash {
		case "SHA-384", "SHA-512":
			return append(c, "--signature-digest-algorithm", strings.ToLower(strings.ReplaceAll(hash, "-", "")))
		}
	}
	return c
}

// on is the command with its object, ready for a shell: an option and its value
// to a line.
func (c command) on(at spot, plain string) string {
	if at.plain && plain != "" {
		c = append(c, plain)
	}
	c = append(c, at.String())
	var b strings.Builder
	for n, word := range c {
		switch {
		case n == 0:
		case strings.HasPrefix(word, "--") && !strings.HasPrefix(c[n-1], "--certificate-"), n == len(c)-1:
			b.WriteString(" \\\n  ")
		default:
			b.WriteByte(' ')
		}
		if strings.ContainsRune(word, 0) {
			return "" // no command can say this
		}
		b.WriteString(quote(word))
	}
	return b.String()
}

// quote makes one word of a POSIX shell's command line (POSIX.1-2017, "Shell
// Command Language", 2.2). A word with characters that can't be seen is written
// with their bytes in octal: pasted as they are, some of them end the line, or
// what a terminal takes for pasted.
func quote(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-") == "" {
		return word
	}
	if strings.IndexFunc(word, unseen) < 0 {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	// A substitution loses the line breaks at its end.
	text := strings.TrimRight(word, "\n")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '%':
			b.WriteString("%%")
		case c < 0x20 || c >= 0x7f || strings.IndexByte("'\"\\!`$", c) >= 0:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	quoted := `"$(printf '` + b.String() + `')"`
	if end := word[len(text):]; end != "" {
		quoted += "'" + end + "'"
	}
	return quoted
}

// keyFile is what the file with a signer's public key may be called.
func keyFile(s *Signer) string {
	if s == nil || s.Name == "" || strings.Contains(s.Name, "sha256:") {
		return "KEY.pub"
	}
	return fileName(s.Name) + ".pub"
}

// fileName makes the name of a file from what people call something.
func fileName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_'
	})
	file := strings.Trim(strings.Join(words, "-"), ".-_")
	if file == "" {
		return "FILE"
	}
	return file[:min(len(file), 60)]
}

// result is how a check ended, empty when it wasn't made.
func result(checks []Check, name string) Result {
	for _, c := range checks {
		if c.Name == name {
			return c.Result
		}
	}
	return ""
}

func fact(facts []Fact, name string) string {
	for _, f := range facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
