package notation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
)

// What authorities say of a signer's certificate, by list and by OCSP, and what
// it comes to. notation-go asks the same servers.
func TestRevocation_whatTheAuthoritySays(t *testing.T) {
	root := authority(t, "Root", nil)
	other := authority(t, "Other", nil)
	server := newResponder(t)
	good, revoked, unsure := ocsp.Response{Status: ocsp.Good}, ocsp.Response{Status: ocsp.Revoked}, ocsp.Response{Status: ocsp.Unknown}
	byList, byOCSP := server.lists("/crl"), server.asks("/ocsp")
	unlimited := delegate(t, &root)
	colleague := signer(t, "colleague", &root)
	type answers func(leaf holder) map[string]http.HandlerFunc
	list := func(changes ...func(*x509.RevocationList)) answers {
		return func(holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/crl": server.list(root, changes...)}
		}
	}
	ask := func(by holder, r ocsp.Response) answers {
		return func(holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/ocsp": says(root, by, r)}
		}
	}
	taken := func(reason int, extensions ...pkix.Extension) answers {
		return func(leaf holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/crl": server.list(root, revokingFor(reason, leaf.certificate(), extensions...))}
		}
	}
	both := func(base, change func(holder) []func(*x509.RevocationList)) answers {
		return func(leaf holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{
				"/crl":   server.list(root, append(base(leaf), extended(freshest(server.URL+"/delta")))...),
				"/delta": server.list(root, append([]func(*x509.RevocationList){number(6), extended(delta(5))}, change(leaf)...)...),
			}
		}
	}
	nothing := func(holder) []func(*x509.RevocationList) { return nil }
	revokes := func(reason int) func(holder) []func(*x509.RevocationList) {
		return func(leaf holder) []func(*x509.RevocationList) {
			return []func(*x509.RevocationList){revokingFor(reason, leaf.certificate())}
		}
	}
	later := func(reason int) func(holder) []func(*x509.RevocationList) {
		return func(leaf holder) []func(*x509.RevocationList) {
			return []func(*x509.RevocationList){revokingFor(reason, leaf.certificate()), func(l *x509.RevocationList) {
				l.RevokedCertificateEntries[0].RevocationTime = epoch.Add(-time.Minute)
			}}
		}
	}
	raw := func(p string, f http.HandlerFunc) answers {
		return func(holder) map[string]http.HandlerFunc { return map[string]http.HandlerFunc{p: f} }
	}
	const (
		fine    = inventory.ReasonOK
		bad     = inventory.ReasonCertificateRevoked
		dunno   = inventory.ReasonTrustRootStale
		scoped  = "notation-go doesn't read what a list covers"
		anybody = "golang.org/x/crypto/ocsp lets any certificate of the issuer answer"
		yetToBe = "notation-go doesn't look when an answer begins to hold"
		tooMany = "notation-go asks as many servers as are named"
	)
	for name, c := range map[string]struct {
		names    []change
		answers  answers
		reason   inventory.Reason
		stricter string
	}{
		"list: not on it":              {[]change{byList}, list(), fine, ""},
		"list: on it":                  {[]change{byList}, taken(0), bad, ""},
		"list: key compromised":        {[]change{byList}, taken(1), bad, ""},
		"list: on hold":                {[]change{byList}, taken(6), bad, ""},
		"list: invalid from later on":  {[]change{byList}, taken(1, invalidityDate(epoch)), bad, ""}, // the time is only claimed
		"list: an entry with a demand": {[]change{byList}, taken(0, extension([]int{1, 2, 3}, true, []byte{5, 0})), dunno, ""},
		"list: of another issuer":      {[]change{byList}, raw("/crl", server.list(other)), dunno, ""},
		"list: ran out":                {[]change{byList}, list(until(epoch.Add(-time.Minute))), dunno, ""},
		"list: from the future":        {[]change{byList}, list(func(l *x509.RevocationList) { l.ThisUpdate = epoch.Add(30 * time.Minute) }), dunno, yetToBe},
		"list: a demand":               {[]change{byList}, list(extended(extension([]int{1, 2, 3}, true, []byte{5, 0}))), dunno, ""},
		"list: of this point":          {[]change{byList}, list(extended(scope(point{Name: named(server.URL + "/crl")}))), fine, ""},
		"list: of another point":       {[]change{byList}, list(extended(scope(point{Name: named(server.URL + "/crl2")}))), dunno, scoped},
		"list: of users":               {[]change{byList}, list(extended(scope(point{Users: true}))), fine, ""},
		"list: of authorities":         {[]change{byList}, list(extended(scope(point{Authorities: true}))), dunno, scoped},
		"list: of several issuers":     {[]change{byList}, list(extended(scope(point{Indirect: true}))), dunno, scoped},
		"list: an unreadable scope":    {[]change{byList}, list(extended(extension([]int{2, 5, 29, 28}, true, []byte("x")))), dunno, scoped},
		"list: a delta for the whole":  {[]change{byList}, list(extended(delta(3))), dunno, "notation-go takes a delta for a whole list"},
		"list: garbage":                {[]change{byList}, raw("/crl", body([]byte("hello"))), dunno, ""},
		"list: absent":                 {[]change{byList}, raw("/crl", nil), dunno, ""},
		"list: two, the second on it": {[]change{byList, server.lists("/two")}, func(leaf holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/crl": server.list(root), "/two": server.list(root, revoking(leaf.certificate()))}
		}, bad, ""},
		"list: two, the second absent":       {[]change{byList, server.lists("/two")}, list(), dunno, ""},
		"list: an LDAP address":              {[]change{func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"ldap://127.0.0.1/cn=x"} }}, list(), dunno, ""},
		"list: a file":                       {[]change{func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"file:///etc/passwd"} }}, list(), dunno, ""},
		"list: twenty":                       {[]change{server.lists(strings.Fields(strings.Repeat("/crl ", 20))...)}, list(), dunno, tooMany},
		"delta: not on it":                   {[]change{byList}, both(nothing, nothing), fine, ""},
		"delta: on it":                       {[]change{byList}, both(nothing, revokes(0)), bad, ""},
		"delta: lifted":                      {[]change{byList}, both(revokes(6), later(8)), fine, ""},
		"delta: lifted, but for good before": {[]change{byList}, both(revokes(1), later(8)), bad, ""},
		"delta: absent":                      {[]change{byList}, raw("/crl", server.list(root, extended(freshest(server.URL+"/gone")))), dunno, ""},
		"delta: of another list": {[]change{byList}, both(nothing, func(holder) []func(*x509.RevocationList) {
			return []func(*x509.RevocationList){func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{delta(6)} }}
		}), dunno, ""},
		"delta: not newer": {[]change{byList}, both(nothing, func(holder) []func(*x509.RevocationList) { return []func(*x509.RevocationList){number(5)} }), dunno, ""},
		"delta: of another scope": {[]change{byList}, both(nothing, func(holder) []func(*x509.RevocationList) {
			return []func(*x509.RevocationList){extended(scope(point{Authorities: true}))}
		}), dunno, scoped},
		"OCSP: good":                  {[]change{byOCSP}, ask(root, good), fine, ""},
		"OCSP: revoked":               {[]change{byOCSP}, ask(root, revoked), bad, ""},
		"OCSP: unknown":               {[]change{byOCSP}, ask(root, unsure), dunno, ""},
		"OCSP: ran out":               {[]change{byOCSP}, ask(root, ocsp.Response{Status: ocsp.Good, NextUpdate: epoch.Add(-time.Minute)}), dunno, ""},
		"OCSP: from the future":       {[]change{byOCSP}, ask(root, ocsp.Response{Status: ocsp.Good, ThisUpdate: epoch.Add(30 * time.Minute)}), dunno, yetToBe},
		"OCSP: by somebody else":      {[]change{byOCSP}, raw("/ocsp", says(other, other, good)), dunno, ""},
		"OCSP: by a delegate":         {[]change{byOCSP}, ask(unlimited, good), fine, ""},
		"OCSP: by a delegate run out": {[]change{byOCSP}, ask(delegate(t, &root, over), good), dunno, anybody},
		"OCSP: by another signer":     {[]change{byOCSP}, ask(colleague, good), dunno, anybody},
		"OCSP: by the signer itself": {[]change{byOCSP}, func(leaf holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/ocsp": says(root, leaf, good)}
		}, dunno, anybody},
		"OCSP: garbage":            {[]change{byOCSP}, raw("/ocsp", body([]byte("hello"))), dunno, ""},
		"OCSP: endless":            {[]change{byOCSP}, raw("/ocsp", body(make([]byte, 1<<20))), dunno, ""},
		"OCSP: no answer":          {[]change{byOCSP}, raw("/ocsp", status(http.StatusInternalServerError)), dunno, ""},
		"OCSP: unauthorized":       {[]change{byOCSP}, raw("/ocsp", body(ocsp.UnauthorizedErrorResponse)), dunno, ""},
		"OCSP: https":              {[]change{func(c *x509.Certificate) { c.OCSPServer = []string{"https://127.0.0.1:1/"} }}, list(), dunno, ""},
		"OCSP: the second answers": {[]change{server.asks("/gone", "/ocsp")}, ask(root, good), fine, ""},
		"OCSP: the first is believed": {[]change{server.asks("/ocsp", "/fine")}, func(holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/ocsp": says(root, root, revoked), "/fine": says(root, root, good)}
		}, bad, ""},
		"OCSP unknown, list: not on it": {[]change{byOCSP, byList}, func(holder) map[string]http.HandlerFunc {
			return map[string]http.HandlerFunc{"/ocsp": says(root, root, unsure), "/crl": server.list(root)}
		}, fine, ""},
		"OCSP silent, list: on it":        {[]change{byOCSP, byList}, taken(0), bad, ""},
		"OCSP good, list never looked at": {[]change{byOCSP, byList}, ask(root, good), fine, ""},
		"nobody to ask":                   {nil, list(), fine, ""},
		"OCSP: by a delegate on a list": {[]change{byOCSP}, func(holder) map[string]http.HandlerFunc {
			d := delegate(t, &root, server.lists("/delegates"))
			return map[string]http.HandlerFunc{"/ocsp": says(root, d, good), "/delegates": server.list(root, revoking(d.certificate()))}
		}, dunno, "notation-go doesn't ask about the responder"},
	} {
		t.Run(name, func(t *testing.T) {
			leaf := signer(t, "build", &root, c.names...)
			for _, p := range []string{"/crl", "/two", "/delta", "/ocsp", "/fine", "/gone", "/delegates"} {
				server.answer(p, nil)
			}
			for p, f := range c.answers(leaf) {
				server.answer(p, f)
			}
			trusted := []notation.Store{store(t, "ca", "acme", root.root())}
			r, s := subject(t)
			raw := sign(t, cose, leaf, payload(s.Manifest))
			attach(t, r, s, cose, raw)
			got := only(t, inspect(t, notation.New(trusted, http.DefaultClient), r, s, time.Time{}))
			expect(t, got, map[inventory.Reason]inventory.Outcome{fine: verified, bad: invalid, dunno: unread}[c.reason], c.reason)
			agree(t, got, refuses(t, trusted, http.DefaultClient, cose, raw, s.Manifest), c.stricter)
		})
	}
}

// An intermediate that was revoked takes everything below it along.
func TestRevocation_ofAnIntermediate(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	sub := authority(t, "Sub", &root, server.lists("/crl"))
	leaf := signer(t, "build", &sub)
	server.answer("/crl", server.list(root, revoking(sub.certificate())))
	s := examine(t, notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
	expect(t, s, invalid, inventory.ReasonCertificateRevoked)
	if !strings.Contains(s.Message, "certificate of Sub was revoked") {
		t.Error(s.Message)
	}
}

// The date from which a key is known to be bad counts against a signing
// authority's time, and against nothing a signer only claims.
func TestRevocation_invalidityDate(t *testing.T) {
	root := authority(t, "Authority", nil)
	server := newResponder(t)
	leaf := signer(t, "build", &root, server.lists("/crl"))
	trusted := []notation.Store{store(t, "signingAuthority", "sa", root.root())}
	signedAt := epoch.Add(-time.Hour)
	for name, c := range map[string]struct {
		bad     time.Time
		outcome inventory.Outcome
	}{"before": {signedAt.Add(-time.Minute), invalid}, "after": {signedAt.Add(time.Minute), verified}} {
		t.Run(name, func(t *testing.T) {
			server.answer("/crl", server.list(root, revokingFor(1, leaf.certificate(), invalidityDate(c.bad))))
			r, s := subject(t)
			raw := forge(t, leaf, payload(s.Manifest), map[string]any{"io.cncf.notary.signingScheme": "notary.x509.signingAuthority", "io.cncf.notary.signingTime": nil,
				"io.cncf.notary.authenticSigningTime": signedAt.Format(time.RFC3339), "crit": []string{"io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"}})
			attach(t, r, s, jws, raw)
			got := only(t, inspect(t, notation.New(trusted, http.DefaultClient), r, s, time.Time{}))
			if got.Outcome != c.outcome {
				t.Errorf("%+v", got)
			}
			agree(t, got, refuses(t, trusted, http.DefaultClient, jws, raw, s.Manifest), "")
		})
	}
}

// Nobody is asked before the chain has led to a trust store, nor when something
// else is wrong, and an address that is nobody's business isn't asked at all.
func TestAttack_certificateThatChoosesWhatIsFetched(t *testing.T) {
	root, strange := authority(t, "Root", nil), authority(t, "Strange", nil)
	server := newResponder(t)
	server.answer("/crl", server.list(root))
	server.answer("/ocsp", says(strange, strange, ocsp.Response{Status: ocsp.Good}))
	trusted := []notation.Store{store(t, "ca", "acme", root.root())}
	attacker := signer(t, "attacker", &strange, server.lists("/crl"), server.asks("/ocsp"))
	ours := signer(t, "build", &root, server.lists("/crl"), server.asks("/ocsp"))
	s := examine(t, notation.New(trusted, http.DefaultClient), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, attacker, payload(d)) })
	expect(t, s, unverifiable, inventory.ReasonRootUnknown)
	s = examine(t, notation.New(trusted, http.DefaultClient), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, ours, []byte(`{"targetArtifact":{}}`)) })
	expect(t, s, invalid, inventory.ReasonDigestMismatch)
	// A list on a private address: the client that the program hands in refuses.
	s = examine(t, notation.New(trusted, registry.NewOutsideClient(registry.Outside{})), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, ours, payload(d)) })
	expect(t, s, unread, inventory.ReasonTrustRootStale)
	if n := server.count("/crl") + server.count("/ocsp"); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// Without a client nobody is asked, and the signature says so.
func TestRevocation_notAsked(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	leaf := signer(t, "build", &root, server.lists("/crl"))
	s := examine(t, notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, nil), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
	expect(t, s, verified, inventory.ReasonOK)
	if c := check(s, verify.CheckRevocation); c.Result != inventory.Skip || s.RecheckAt != nil || server.count("/crl") != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRevocation_saysWhenNobodyCanBeAsked(t *testing.T) {
	root := authority(t, "Root", nil)
	leaf := signer(t, "build", &root)
	s := examine(t, notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient), jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
	if c := check(s, verify.CheckRevocation); c.Result != inventory.Skip || !strings.Contains(c.Message, "name no way to ask") || s.RecheckAt != nil {
		t.Errorf("%+v", c)
	}
}

// An answer is kept until its authority says that it is old, a day at most, and
// the evidence says when to ask again.
func TestRevocation_answersAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		next, want time.Duration
	}{"an hour": {time.Hour, time.Hour}, "a month": {720 * time.Hour, 24 * time.Hour}, "a moment": {time.Minute, 5 * time.Minute}} {
		for _, way := range []string{"/crl", "/ocsp"} {
			t.Run(name+way, func(t *testing.T) {
				root := authority(t, "Root", nil, longLived)
				server := newResponder(t)
				leaf := signer(t, "build", &root, longLived, map[string]change{"/crl": server.lists("/crl"), "/ocsp": server.asks("/ocsp")}[way])
				server.answer("/crl", server.list(root, until(epoch.Add(c.next))))
				server.answer("/ocsp", says(root, root, ocsp.Response{Status: ocsp.Good, NextUpdate: epoch.Add(c.next)}))
				checker := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient)
				r, s := subject(t)
				attach(t, r, s, jws, sign(t, jws, leaf, payload(s.Manifest)))
				for range 3 {
					got := only(t, inspect(t, checker, r, s, epoch))
					expect(t, got, verified, inventory.ReasonOK)
					if got.RecheckAt == nil || !got.RecheckAt.Equal(epoch.Add(c.want)) {
						t.Errorf("recheck at %v, want %v", got.RecheckAt, epoch.Add(c.want))
					}
				}
				if n := server.count(way); n != 1 {
					t.Errorf("asked %d times", n)
				}
				server.answer(way, map[string]http.HandlerFunc{"/crl": server.list(root, revoking(leaf.certificate()), until(epoch.Add(9000*time.Hour))),
					"/ocsp": says(root, root, ocsp.Response{Status: ocsp.Revoked, NextUpdate: epoch.Add(9000 * time.Hour)})}[way])
				got := only(t, inspect(t, checker, r, s, epoch.Add(min(c.next, 24*time.Hour))))
				expect(t, got, invalid, inventory.ReasonCertificateRevoked)
			})
		}
	}
}

func longLived(c *x509.Certificate) { c.NotAfter = epoch.Add(10_000 * time.Hour) }

// One responder that is dead isn't asked again for each image, nor for each
// certificate that names it, until a minute has gone.
func TestRevocation_deadResponderIsLeftAlone(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	server.answer("/ocsp", status(http.StatusBadGateway))
	checker := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient)
	look := func(now time.Time) {
		leaf := signer(t, "build", &root, server.asks("/ocsp"))
		r, s := subject(t)
		attach(t, r, s, jws, sign(t, jws, leaf, payload(s.Manifest)))
		expect(t, only(t, inspect(t, checker, r, s, now)), unread, inventory.ReasonTrustRootStale)
		expect(t, only(t, inspect(t, checker, r, s, now)), unread, inventory.ReasonTrustRootStale)
	}
	for range 20 {
		look(epoch)
	}
	if n := server.count("/ocsp"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	look(epoch.Add(61 * time.Second))
	if n := server.count("/ocsp"); n != 2 {
		t.Errorf("asked %d times a minute later", n)
	}
}

// A slow responder costs its time once, and the caller who can't wait leaves.
func TestRevocation_slowResponder(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	let := make(chan struct{})
	server.answer("/ocsp", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-let:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(let) })
	leaf := signer(t, "build", &root, server.asks("/ocsp"))
	checker := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient)
	r, s := subject(t)
	attach(t, r, s, jws, sign(t, jws, leaf, payload(s.Manifest)))
	refs, _, err := r.Referrers(t.Context(), "", s.Manifest.Digest)
	must(t, err)
	m, err := r.Manifest(t.Context(), "", string(refs[0].Digest))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	got := checker.Check(ctx, verify.NewItem(r, s, inventory.Attachment{}, m, nil)).Signatures[0]
	expect(t, got, unread, inventory.ReasonTrustRootStale)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	got = checker.Check(t.Context(), verify.NewItem(r, s, inventory.Attachment{}, m, nil)).Signatures[0]
	expect(t, got, unread, inventory.ReasonTrustRootStale)
	if took := time.Since(start); took > 6*time.Second || server.count("/ocsp") != 1 {
		t.Errorf("it took %s, and %d questions", took, server.count("/ocsp"))
	}
}

// A list without an end is given up, and a long one is read only once, however
// many certificates it is about.
func TestRevocation_hugeList(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	server.answer("/endless", func(w http.ResponseWriter, r *http.Request) {
		chunk := bytes.Repeat([]byte{0x30}, 1<<16)
		for range 1 << 12 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	server.answer("/long", server.list(root, func(l *x509.RevocationList) {
		for i := range 20_000 {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(int64(1e15) + int64(i)), RevocationTime: epoch.Add(-time.Hour)})
		}
	}))
	checker := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient)
	look := func(list string) inventory.Signature {
		leaf := signer(t, "build", &root, server.lists(list))
		return examine(t, checker, jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
	}
	expect(t, look("/endless"), unread, inventory.ReasonTrustRootStale)
	for range 5 {
		expect(t, look("/long"), verified, inventory.ReasonOK)
	}
	if n := server.count("/long"); n != 1 {
		t.Errorf("read %d times", n)
	}
}

// Many who ask about one certificate at once are one question.
func TestRevocation_oneQuestionForMany(t *testing.T) {
	root := authority(t, "Root", nil)
	server := newResponder(t)
	arrived := make(chan struct{})
	answer := says(root, root, ocsp.Response{Status: ocsp.Good})
	server.answer("/ocsp", func(w http.ResponseWriter, r *http.Request) {
		<-arrived
		answer(w, r)
	})
	leaf := signer(t, "build", &root, server.asks("/ocsp"))
	checker := notation.New([]notation.Store{store(t, "ca", "acme", root.root())}, http.DefaultClient)
	r, s := subject(t)
	attach(t, r, s, jws, sign(t, jws, leaf, payload(s.Manifest)))
	var all sync.WaitGroup
	outcomes := make([]inventory.Outcome, 16)
	for i := range outcomes {
		all.Go(func() { outcomes[i] = only(t, inspect(t, checker, r, s, epoch)).Outcome })
	}
	close(arrived)
	all.Wait()
	for _, o := range outcomes {
		if o != verified {
			t.Errorf("%s", o)
		}
	}
	if n := server.count("/ocsp"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A list is believed only for the authority that signed it, also when another
// one's certificates name the same address.
func TestAttack_listOfOneAuthorityUsedForAnother(t *testing.T) {
	first, second := authority(t, "First", nil), authority(t, "Second", nil)
	server := newResponder(t)
	server.answer("/crl", server.list(first))
	checker := notation.New([]notation.Store{store(t, "ca", "acme", first.root(), second.root())}, http.DefaultClient)
	for i, h := range []holder{first, second} {
		leaf := signer(t, fmt.Sprint(i), &h, server.lists("/crl"))
		s := examine(t, checker, jws, func(d inventory.Descriptor) []byte { return sign(t, jws, leaf, payload(d)) })
		if want := []inventory.Outcome{verified, unread}[i]; s.Outcome != want {
			t.Errorf("%+v", s)
		}
	}
}
