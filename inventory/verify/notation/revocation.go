package notation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"signboard/inventory"
)

// What asking may cost, and how long an answer is kept.
const (
	askTimeout  = 15 * time.Second // for one certificate, whatever it names
	ocspTimeout = 3 * time.Second  // for one answer; the specification's default is 2
	listTimeout = 10 * time.Second // for one list; the specification's default is 5
	maxAnswer   = 64 << 10         // bytes of an OCSP response; real ones have some 4 kB
	maxList     = 8 << 20          // bytes of a revocation list
	maxServers  = 8                // addresses that a certificate may name

	maxKept     = 24 * time.Hour  // an answer is asked for again after that, whatever it says
	minRecheck  = 5 * time.Minute // and not before that
	keepFailure = time.Minute     // nobody who didn't answer is asked again sooner

	maxAnswers     = 4096    // answers kept
	maxLists       = 64      // lists kept
	maxListEntries = 500_000 // entries in all of them together
)

// standing is what is known of a certificate's revocation.
type standing int

const (
	notKnown  standing = iota // could not be found out
	isGood                    // an authority says that it stands
	noWay                     // it names nobody who could be asked
	isRevoked                 // an authority took it back
)

// answer is what was found out about one certificate.
type answer struct {
	standing
	source string    // who said so, for a person
	at     time.Time // when it was revoked
	// invalidSince is from when on its key is known to be bad (RFC 5280, section
	// 5.3.2); zero when that isn't said.
	invalidSince time.Time
	until        time.Time // what is said may be relied on until then
	err          error     // why nothing is known
}

// result is what was found out about a chain.
type result struct {
	state   standing
	message string // one sentence or two for a person; empty for noWay
	until   time.Time
	err     error
}

// revocation asks certificate authorities whether they took certificates back,
// by OCSP (RFC 6960) and revocation lists (RFC 5280, section 5), and keeps what
// they said. It follows notation-core-go, whose own checker keeps no answers,
// and is stricter in three things that each have let a revoked key vouch for
// itself elsewhere: a delegated OCSP responder needs a certificate for that
// purpose (RFC 6960, section 4.2.2.2), a list has to be the one that covers the
// certificate (RFC 5280, section 6.3.3), and an answer from the future isn't
// one.
//
// It has to be given only chains that lead to a trust store.
type revocation struct {
	client  *http.Client
	asking  singleflight.Group
	listing chan struct{} // one list is read at a time: parsing a long one takes memory

	mu      sync.Mutex
	answers map[fingerprint]answer
	lists   map[listKey]*list
	silent  map[string]time.Time // hosts that didn't answer, and until when they aren't asked
}

type fingerprint [sha256.Size]byte

func newRevocation(client *http.Client) *revocation {
	return &revocation{client: client, listing: make(chan struct{}, 1),
		answers: map[fingerprint]answer{}, lists: map[listKey]*list{}, silent: map[string]time.Time{}}
}

// chain finds out whether a certificate of a chain was revoked; the root's own
// word about itself is not asked for. signed is the proven time of signing,
// where it matters; a key that is known to be bad only from later on was good.
func (r *revocation) chain(ctx context.Context, chain []*x509.Certificate, signed, now time.Time) result {
	whole := result{state: noWay}
	var sources, unasked []string
	for i, c := range chain[:len(chain)-1] {
		a := r.ask(ctx, c, chain[i+1], now)
		if !a.until.IsZero() && (whole.until.IsZero() || a.until.Before(whole.until)) {
			whole.until = a.until
		}
		name := common(c.Subject)
		switch a.standing {
		case isRevoked:
			if !signed.IsZero() && signed.Before(a.invalidSince) {
				sources = append(sources, a.source)
				whole.state = isGood
				continue
			}
			return result{state: isRevoked, until: a.until, message: fmt.Sprintf("The certificate of %s was revoked on %s, says %s.", name, moment(a.at), a.source)}
		case notKnown:
			// A later certificate that is known to be revoked settles it.
			if whole.err == nil {
				whole.err = a.err
				whole.message = fmt.Sprintf("Whether the certificate of %s was revoked could not be found out: %s", name, message(a.err))
			}
		case isGood:
			sources = append(sources, a.source)
			whole.state = isGood
		case noWay:
			unasked = append(unasked, name)
		}
	}
	switch {
	case whole.err != nil:
		whole.state = notKnown
	case whole.state == isGood:
		whole.message = "Not revoked, says " + strings.Join(sources, ", ") + "."
		if len(unasked) > 0 {
			whole.message += " The certificate of " + strings.Join(unasked, ", ") + " names no way to ask."
		}
	}
	return whole
}

// ask finds out about one certificate. Those who ask about the same one at the
// same time wait for one answer.
func (r *revocation) ask(ctx context.Context, c, issuer *x509.Certificate, now time.Time) answer {
	if len(c.OCSPServer) == 0 && len(c.CRLDistributionPoints) == 0 {
		return answer{standing: noWay}
	}
	key := keyOf(c, issuer)
	r.mu.Lock()
	a, ok := r.answers[key]
	r.mu.Unlock()
	if ok && now.Before(a.until) {
		return a
	}
	// Whoever asked first may leave: the others still want the answer.
	inquiry := context.WithoutCancel(ctx)
	done := r.asking.DoChan(string(key[:]), func() (v any, _ error) {
		defer func() {
			if p := recover(); p != nil {
				v = r.keep(key, answer{err: saying(fmt.Errorf("panic: %v", p), "what it says can't be read.")}, now)
			}
		}()
		ctx, cancel := context.WithTimeout(inquiry, askTimeout)
		defer cancel()
		return r.keep(key, r.inquire(ctx, c, issuer, now), now), nil
	})
	select {
	case v := <-done:
		return v.Val.(answer)
	case <-ctx.Done():
		return answer{err: saying(ctx.Err(), "there was no time left to ask.")}
	}
}

// keyOf names a certificate together with who is supposed to have issued it: an
// answer is that issuer's.
func keyOf(c, issuer *x509.Certificate) fingerprint {
	h := sha256.New()
	for _, part := range [][]byte{c.Raw, issuer.Raw} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return fingerprint(h.Sum(nil))
}

// inquire asks by OCSP and, when that gives no answer, looks into the lists
// (trust store specification, "Certificate Revocation Evaluation").
func (r *revocation) inquire(ctx context.Context, c, issuer *x509.Certificate, now time.Time) answer {
	if len(c.OCSPServer)+len(c.CRLDistributionPoints) > maxServers {
		return answer{err: saying(nil, "it names more than %d servers to ask.", maxServers)}
	}
	var a answer
	for _, server := range c.OCSPServer {
		// The first that answers is believed, also when it says that it doesn't
		// know; one that doesn't answer is passed over.
		var final bool
		if a, final = r.ocsp(ctx, server, c, issuer, now); final {
			break
		}
	}
	if a.standing == notKnown && len(c.CRLDistributionPoints) > 0 {
		return r.fromLists(ctx, c, issuer, now)
	}
	return a
}

// keep notes an answer: until the authority says that it is old, a day at most,
// or for a minute when there was none.
func (r *revocation) keep(key fingerprint, a answer, now time.Time) answer {
	most := now.Add(maxKept)
	if a.standing == notKnown {
		most = now.Add(keepFailure)
	}
	if a.until.IsZero() || a.until.After(most) {
		a.until = most
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	makeRoom(r.answers, maxAnswers, func(a answer) bool { return now.Before(a.until) })
	r.answers[key] = a
	return a
}

// makeRoom leaves room for one more: what is old goes, and else anything.
func makeRoom[K comparable, V any](m map[K]V, most int, fresh func(V) bool) {
	if len(m) < most {
		return
	}
	for k, v := range m {
		if !fresh(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < most {
			return
		}
		delete(m, k)
	}
}

// fetch does a request and reads the answer. A host that doesn't answer isn't
// asked again for a minute, whichever certificate names it.
func (r *revocation) fetch(ctx context.Context, request *http.Request, max int64, timeout time.Duration, now time.Time) ([]byte, error) {
	host := shown(request.URL.Host)
	r.mu.Lock()
	until, silent := r.silent[request.URL.Host]
	r.mu.Unlock()
	if silent && now.Before(until) {
		return nil, saying(nil, "%s didn't answer a moment ago.", host)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := r.client.Do(request.WithContext(ctx))
	if err == nil && response.StatusCode >= 500 {
		response.Body.Close()
		err = fmt.Errorf("status %s", response.Status)
	}
	if err != nil {
		r.hush(request.URL.Host, now)
		if look, ok := errors.AsType[*inventory.LookError](err); ok {
			return nil, saying(err, "%s", look.Message)
		}
		return nil, saying(err, "%s doesn't answer.", host)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, saying(nil, "%s answers %s.", host, shown(response.Status))
	}
	b, err := readAll(response.Body, max)
	if errors.Is(err, errTooLong) {
		return nil, saying(err, "%s answers with more than %d bytes.", host, max)
	}
	if err != nil {
		r.hush(request.URL.Host, now)
		return nil, saying(err, "%s stopped in the middle of its answer.", host)
	}
	return b, nil
}

func (r *revocation) hush(host string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	makeRoom(r.silent, maxAnswers, now.Before)
	r.silent[host] = now.Add(keepFailure)
}

// address accepts what the specification supports: plain HTTP, since whatever
// is fetched carries its own signature.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "http") || u.Host == "" || u.User != nil {
		return nil, saying(err, "%q is no address that can be asked: only http is.", shown(text))
	}
	return u, nil
}

// saying is an error whose message a person may read.
func saying(err error, format string, args ...any) error {
	return &inventory.Error{Kind: inventory.Unavailable, Message: fmt.Sprintf(format, args...), Err: err}
}
