//go:build peers

package peers

import (
	"strings"
)

// question is put to a reference tool about an image: did this signer sign it?
// The answer is the tool's exit status.
type question func(s *stage, i image) outcome

// ask runs a reference tool.
func (s *stage) ask(env []string, name string, args ...string) outcome {
	s.Helper()
	o, err := run(s.Context(), s.dir, env, s.bin[name], args...)
	s.must(err)
	return o
}

// The flags that keep cosign from asking the public instance for a root or a
// log that a signature by a bare key doesn't need.
func (s *stage) unlogged(key string) []string {
	return []string{"--key", s.keys.public(key), "--insecure-ignore-tlog", "--trusted-root", s.sigstore.nothing, "--allow-http-registry"}
}

// byKey asks for a signature by a key.
func byKey(c cosign, key string) question {
	return func(s *stage, i image) outcome {
		return s.ask(nil, c.name(), append(append([]string{"verify"}, s.unlogged(key)...), i.at())...)
	}
}

// byHashed asks for one that was made over a hash other than SHA-256, which the
// verifier doesn't find out by itself.
func byHashed(c cosign, hash, key string) question {
	return func(s *stage, i image) outcome {
		return s.ask(nil, c.name(), append(append([]string{"verify", "--signature-digest-algorithm", hash}, s.unlogged(key)...), i.at())...)
	}
}

// byReferrer asks for one that cosign 2 has hung on the image as a referrer.
func byReferrer(key string) question {
	return func(s *stage, i image) outcome {
		return s.ask([]string{"COSIGN_EXPERIMENTAL=1"}, "cosign2", append(append([]string{"verify", "--experimental-oci11"}, s.unlogged(key)...), i.at())...)
	}
}

// byLoggedKey asks for a signature by a key that a log has noted.
func byLoggedKey(c cosign, key string) question {
	return func(s *stage, i image) outcome {
		args := []string{"verify", "--key", s.keys.public(key), "--allow-http-registry"}
		if c == 2 {
			return s.ask(s.cosign2Roots(), "cosign2", append(args, "--rekor-url", "http://"+local(s.sigstore.rekor1), i.at())...)
		}
		return s.ask(nil, "cosign3", append(args, "--trusted-root", s.sigstore.root, i.at())...)
	}
}

// byIdentity asks for a keyless signature of somebody at an issuer.
func byIdentity(c cosign, issuer, san string) question {
	return func(s *stage, i image) outcome {
		args := []string{"verify", "--certificate-identity", san, "--certificate-oidc-issuer", s.sigstore.issuer.url(issuer), "--allow-http-registry"}
		if c == 2 {
			return s.ask(s.cosign2Roots(), "cosign2", append(args, "--rekor-url", "http://"+local(s.sigstore.rekor1), i.at())...)
		}
		return s.ask(nil, "cosign3", append(args, "--trusted-root", s.sigstore.root, i.at())...)
	}
}

// byAttester asks for an attestation of a kind by a key.
func byAttester(c cosign, kind, key string) question {
	return func(s *stage, i image) outcome {
		return s.ask(nil, c.name(), append(append([]string{"verify-attestation", "--type", kind}, s.unlogged(key)...), i.at())...)
	}
}

// byNotation asks notation, whose policy is strict and knows one CA.
func byNotation(s *stage, i image) outcome {
	return s.ask([]string{"XDG_CONFIG_HOME=" + s.notation.home}, "notation", "verify", "--insecure-registry", i.at())
}

// byTimelyNotation asks it for a signature with a timestamp, of the one
// authority it knows.
func byTimelyNotation(s *stage, i image) outcome {
	return s.ask([]string{"XDG_CONFIG_HOME=" + s.notation.timely}, "notation", "verify", "--insecure-registry", i.at())
}

// byNotary asks a notary client that has seen nothing before, which therefore
// fetches and checks all there is. It knows tags only: that it finds the tag
// says little until the digest is the image's.
func byNotary(s *stage, i image) outcome {
	o := s.ask(notaryEnv, "notary", s.notaryArgs(s.TempDir(), "lookup", i.repo(), i.tag)...)
	if o.code == 0 && !strings.Contains(o.output, i.digest) {
		o.code = 1
	}
	return o
}
