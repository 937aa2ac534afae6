package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/decision"
	"signboard/inventory/store/database"
	"signboard/inventory/store/database/databasetest"
	"signboard/inventory/syncer"
)

// step is one thing that happens in a tale. Its numbers choose among what there
// is when it happens, so that a tale without some of its steps is a tale as well.
type step struct {
	does string
	n    [4]uint32
}

// often is how often each kind of step is chosen.
var often = []struct {
	does   string
	weight int
}{
	{"push", 12}, {"untag", 3}, {"drop", 1}, {"sign", 12}, {"unsign", 3}, {"trouble", 4}, {"calm", 4},
	{"sync", 14}, {"rejudge", 3}, {"wait", 8}, {"register", 3}, {"decide", 16}, {"foresee", 3},
	{"hold", 5}, {"release", 3}, {"die", 6}, {"meanwhile", 5}, {"abreast", 2}, {"restart", 1},
	{"prune", 1}, {"teams", 1}, {"settle", 3},
}

func steps(r *rand.Rand, n int) []step {
	all := 0
	for _, o := range often {
		all += o.weight
	}
	list := make([]step, 0, n)
	for range n {
		left, s := r.IntN(all), step{}
		for _, o := range often {
			if left -= o.weight; left < 0 {
				s.does = o.does
				break
			}
		}
		for i := range s.n {
			s.n[i] = r.Uint32()
		}
		list = append(list, s)
	}
	return list
}

// tale is an inventory with all who work on it, the world that it is about, and
// what must be true of it.
type tale struct {
	ctx       context.Context
	dsn       string
	key       audit.Key
	auditKeys note.Verifiers
	approvers int

	mu       sync.Mutex // of the world
	ms       atomic.Int64
	harbours []*harbour
	teams    []inventory.Team

	processes []*hand
	born      int

	// What was done, as those who did it were told.
	ledger   map[inventory.SignerID][]inventory.Decision // newest first
	held     map[string]inventory.Quarantine
	covered  map[string]map[inventory.Digest]bool // what those came to hold
	known    map[inventory.SignerID]bool          // registered keys
	accepted map[string]int                       // entries of the audit log, by action and object

	told []string // what happened, a line each
}

// hand is one of the program's, with a handle of its own on the database.
type hand struct {
	tale   *tale
	name   string
	db     *DB
	syncer *syncer.Syncer
	door   decision.Door

	mu       sync.Mutex
	known    map[inventory.SignerID]bool
	revision int64
	dead     bool
	behind   bool // it died after what it wrote last, which nobody was told of
	left     int  // moments until something happens; 0: nothing will

	happens func() (dies bool)
}

// errDied is what a process that died hears from then on.
var errDied = errors.New("this process died")

// moment is a moment at which the process may die, or something else may happen.
func (p *hand) moment() error {
	p.mu.Lock()
	var happens func() bool
	if p.left > 0 {
		if p.left--; p.left == 0 {
			happens, p.happens = p.happens, nil
		}
	}
	p.mu.Unlock()
	if happens != nil && happens() {
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDied
	}
	return nil
}

// frail is the store of a process that may die before or after each call.
type frail struct {
	*DB
	p *hand
}

// written is a call that the process may die on either side of.
func (f frail) written(write func() error) error {
	if err := f.p.moment(); err != nil {
		return err
	}
	err := write()
	if f.p.moment() != nil {
		f.p.mu.Lock()
		f.p.behind = err == nil
		f.p.mu.Unlock()
		return errDied
	}
	return err
}

func (f frail) RecordDecision(ctx context.Context, d inventory.Decision, seen int64, ended []string, e inventory.AuditEntry) error {
	return f.written(func() error { return f.DB.RecordDecision(ctx, d, seen, ended, e) })
}

func (f frail) RecordQuarantine(ctx context.Context, q inventory.Quarantine, e inventory.AuditEntry) error {
	return f.written(func() error { return f.DB.RecordQuarantine(ctx, q, e) })
}

func (f frail) RecordRelease(ctx context.Context, q inventory.Quarantine, e inventory.AuditEntry) error {
	return f.written(func() error { return f.DB.RecordRelease(ctx, q, e) })
}

func (f frail) RecordKey(ctx context.Context, s inventory.Signer, e inventory.AuditEntry) error {
	return f.written(func() error { return f.DB.RecordKey(ctx, s, e) })
}

func (f frail) RecordImages(ctx context.Context, w *inventory.RepositoryWork, list []inventory.ImageFinding, now time.Time) error {
	return f.written(func() error { return f.DB.RecordImages(ctx, w, list, now) })
}

func (f frail) FinishRepository(ctx context.Context, w *inventory.RepositoryWork, tags []string, next, now time.Time) error {
	return f.written(func() error { return f.DB.FinishRepository(ctx, w, tags, next, now) })
}

func (f frail) RecordCatalog(ctx context.Context, w *inventory.RegistryWork, names []string, complete bool, now time.Time) error {
	return f.written(func() error { return f.DB.RecordCatalog(ctx, w, names, complete, now) })
}

func (f frail) FailRepository(ctx context.Context, w *inventory.RepositoryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error {
	return f.written(func() error { return f.DB.FailRepository(ctx, w, failure, v, next, now) })
}

func (f frail) FailRegistry(ctx context.Context, w *inventory.RegistryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error {
	return f.written(func() error { return f.DB.FailRegistry(ctx, w, failure, v, next, now) })
}

func (f frail) RecordReverified(ctx context.Context, list []inventory.Reverified, now time.Time) error {
	return f.written(func() error { return f.DB.RecordReverified(ctx, list, now) })
}

func (f frail) RecordVerdicts(ctx context.Context, verdicts map[int64]inventory.Verdict, revision int64, now time.Time) error {
	return f.written(func() error { return f.DB.RecordVerdicts(ctx, verdicts, revision, now) })
}

func (f frail) Decisions(ctx context.Context, signers []inventory.SignerID) (d inventory.Decisions, err error) {
	err = f.written(func() (err error) { d, err = f.DB.Decisions(ctx, signers); return err })
	return d, err
}

func (f frail) StaleVerdicts(ctx context.Context, now time.Time, limit int) (ids []int64, err error) {
	err = f.written(func() (err error) { ids, err = f.DB.StaleVerdicts(ctx, now, min(limit, 3)); return err })
	return ids, err
}

func (f frail) ClaimRepository(ctx context.Context, owner string, scope inventory.SyncScope, now time.Time, lease time.Duration) (w *inventory.RepositoryWork, err error) {
	err = f.written(func() (err error) { w, err = f.DB.ClaimRepository(ctx, owner, scope, now, lease); return err })
	return w, err
}

// A process that died gives nothing back.

func (f frail) RenewRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time, lease time.Duration) error {
	if f.p.isDead() {
		return errDied
	}
	return f.DB.RenewRepository(ctx, w, now, lease)
}

func (f frail) RenewRegistry(ctx context.Context, w *inventory.RegistryWork, now time.Time, lease time.Duration) error {
	if f.p.isDead() {
		return errDied
	}
	return f.DB.RenewRegistry(ctx, w, now, lease)
}

func (f frail) RecordProgress(ctx context.Context, r inventory.SyncReport, now time.Time) (inventory.SyncState, error) {
	if f.p.isDead() {
		return inventory.SyncState{}, errDied
	}
	return f.DB.RecordProgress(ctx, r, now)
}

func (p *hand) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (t *tale) clock() time.Time { return timeOf(t.ms.Load()) }

func (t *tale) say(format string, args ...any) { t.told = append(t.told, fmt.Sprintf(format, args...)) }

// births is how many processes there are at once.
const births = 2

// begin makes an empty inventory and the world that it will be about.
func begin(ctx context.Context, dsn string, key audit.Key, keys note.Verifiers, approvers int) (*tale, error) {
	t := &tale{ctx: ctx, dsn: dsn, key: key, auditKeys: keys, approvers: approvers,
		ledger: map[inventory.SignerID][]inventory.Decision{}, held: map[string]inventory.Quarantine{}, covered: map[string]map[inventory.Digest]bool{},
		known: map[inventory.SignerID]bool{}, accepted: map[string]int{},
		teams: []inventory.Team{{Name: "payments", Repositories: []inventory.Glob{"local/pay/**"}}, {Name: "platform", Repositories: []inventory.Glob{"*/base", "local/pay/web"}}},
	}
	t.ms.Store(noon.UnixMilli())
	for _, name := range []string{"local", "other"} {
		h := &harbour{mu: &t.mu, name: name, berths: map[string]*berth{}}
		for _, repository := range berths {
			if name == "local" || repository == "base" {
				h.berths[repository] = newBerth()
			}
		}
		t.harbours = append(t.harbours, h)
		n := len(h.name)
		for _, repository := range slices.Sorted(maps.Keys(h.berths)) {
			b := h.berths[repository]
			for _, flag := range flags[:2] {
				d := cargoDigest(n % cargo)
				b.tags[flag], b.marks[d] = d, []mark{{By: n % crew}}
				n++
			}
		}
	}
	for n := range births {
		p, err := t.birth(n == 0)
		if err != nil {
			return nil, err
		}
		t.processes = append(t.processes, p)
	}
	for n := range uint32(keysOfCrew - 1) {
		if err := t.act(step{"register", [4]uint32{n, 1}}, t.processes[0]); err != nil {
			return nil, err
		}
	}
	return t, t.act(step{does: "sync"}, t.processes[0])
}

func newBerth() *berth {
	return &berth{tags: map[string]inventory.Digest{}, marks: map[inventory.Digest][]mark{}}
}

var (
	berths = []string{"base", "pay/api", "pay/web"}
	flags  = []string{"v1", "v2", "latest"} // tags
)

func (t *tale) end() {
	for _, p := range t.processes {
		p.db.Close()
	}
}

// birth starts a process; the first of all configures.
func (t *tale) birth(first bool) (*hand, error) {
	db, err := Open(t.ctx, t.dsn)
	if err != nil {
		return nil, err
	}
	db.clock = t.clock
	t.born++
	p := &hand{tale: t, name: fmt.Sprint("process-", t.born), db: db, known: map[inventory.SignerID]bool{}}
	if err := db.Seal(t.ctx, t.key, t.auditKeys, first); err != nil {
		db.Close()
		return nil, err
	}
	if err := t.configure(p); err != nil {
		db.Close()
		return nil, err
	}
	f := frail{db, p}
	var peers []syncer.Peer
	for _, h := range t.harbours {
		l := lookout{h, p}
		peers = append(peers, syncer.Peer{Name: h.name, Registry: l, Inspector: l, Tags: []inventory.Glob{"**"}, Interval: 15 * time.Minute, Listed: true, Refresh: p.refresh})
	}
	p.syncer = syncer.New(f, peers, syncer.Options{Owner: p.name, Repositories: 1, Images: 1, Batch: 2, Clock: t.clock})
	p.door = decision.Door{Signers: f, Quarantines: f, Registries: f, Tokens: f, Impact: f, Approvers: t.approvers, Clock: t.clock}
	return p, nil
}

func (t *tale) configure(p *hand) error {
	var registries []inventory.Registry
	for _, h := range t.harbours {
		registries = append(registries, inventory.Registry{Name: h.name, URL: "http://" + h.name + ".test", Interval: 15 * time.Minute, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}})
	}
	return p.db.ApplyConfig(t.ctx, registries, t.teams, t.clock())
}

// bury puts a new process in the place of one that died, once its leases have run
// out.
func (t *tale) bury(n int) error {
	t.processes[n].db.Close()
	t.ms.Add((21 * time.Second).Milliseconds())
	p, err := t.birth(false)
	if err == nil {
		t.processes[n] = p
	}
	return err
}

// perform does all steps, checking after each what must be true always, and at
// the end that the inventory is what the world is.
func (t *tale) perform(list []step) error {
	for i, s := range list {
		t.say("%3d %s", i, s.does)
		if err := t.do(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s.does, err)
		}
		if err := t.always(); err != nil {
			return fmt.Errorf("after step %d, %s: %w", i, s.does, err)
		}
	}
	t.say("    the end")
	if err := t.settled(t.processes[0]); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	if err := t.complete(t.processes[0]); err != nil {
		return fmt.Errorf("once all is calm: %w", err)
	}
	return nil
}

func (t *tale) do(s step) error {
	at := int(s.n[3]) % len(t.processes)
	p := t.processes[at]
	switch s.does {
	case "die":
		// One of the things below, and the process dies in the middle of it.
		does := []string{"sync", "sync", "decide", "decide", "hold", "release", "register", "rejudge"}[s.n[2]%8]
		p.mu.Lock()
		p.left, p.happens = 1+int(s.n[2]/8)%2, func() bool { return true }
		if does == "sync" {
			p.left = 1 + int(s.n[2]/8)%60
		}
		p.mu.Unlock()
		t.say("      %s, dying: %s", p.name, does)
		if err := t.act(step{does, s.n}, p); err != nil {
			return err
		}
		died := p.isDead()
		t.say("      died: %v", died)
		if died {
			return t.bury(at)
		}
		p.mu.Lock()
		p.left, p.happens = 0, nil
		p.mu.Unlock()
		return nil
	case "meanwhile":
		// While one process syncs or judges, another one does something.
		other := t.processes[(at+1)%len(t.processes)]
		var failed error
		p.mu.Lock()
		p.left = 1 + int(s.n[1])%60
		p.happens = func() bool {
			r := rand.New(rand.NewPCG(uint64(s.n[0]), uint64(s.n[2])))
			for range 2 {
				does := []string{"decide", "decide", "hold", "release", "push", "untag", "sign", "unsign", "register", "rejudge", "calm"}[r.IntN(11)]
				t.say("      meanwhile: %s", does)
				failed = errors.Join(failed, t.act(step{does, [4]uint32{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}}, other))
			}
			return false
		}
		p.mu.Unlock()
		does := "sync"
		if s.n[2]%3 == 0 {
			does = "rejudge"
			p.mu.Lock()
			p.left = 1 + p.left%8
			p.mu.Unlock()
		}
		err := t.act(step{does, s.n}, p)
		p.mu.Lock()
		p.left, p.happens = 0, nil
		p.mu.Unlock()
		return errors.Join(err, failed)
	case "abreast":
		// Two processes work at the very same time. Which of them is first isn't
		// the seed's to say.
		other := t.processes[(at+1)%len(t.processes)]
		done := make(chan error, 1)
		go func() {
			_, err := other.syncer.Sync(t.ctx, inventory.SyncScope{Registry: t.harbours[0].name}, nil)
			done <- err
		}()
		var errs []error
		r := rand.New(rand.NewPCG(uint64(s.n[0]), uint64(s.n[2])))
		for range 6 {
			does := []string{"decide", "decide", "hold", "release", "rejudge"}[r.IntN(5)]
			errs = append(errs, t.act(step{does, [4]uint32{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}}, p))
		}
		return errors.Join(append(errs, <-done)...)
	}
	return t.act(s, p)
}

// act does one step by one process.
func (t *tale) act(s step, p *hand) error {
	switch s.does {
	case "push", "untag", "drop", "sign", "unsign", "trouble", "calm":
		t.mu.Lock()
		defer t.mu.Unlock()
		t.change(s)
		return nil
	case "sync":
		for _, h := range t.harbours {
			_, err := p.syncer.Sync(t.ctx, inventory.SyncScope{Registry: h.name}, nil)
			if err != nil {
				return t.unless(err)
			}
		}
		return nil
	case "rejudge":
		_, err := p.syncer.Rejudge(t.ctx)
		return t.unless(err)
	case "wait":
		d := []time.Duration{time.Second, 10 * time.Minute, 3 * time.Hour, 30 * time.Hour, 9 * 24 * time.Hour}[s.n[0]%5]
		t.say("      %s", d)
		t.ms.Add(d.Milliseconds())
		return nil
	case "register":
		return t.register(s, p)
	case "decide":
		return t.decide(s, p)
	case "foresee":
		return t.foresee(s, p)
	case "hold":
		return t.hold(s, p)
	case "release":
		return t.release(s, p)
	case "restart":
		return t.bury(slices.Index(t.processes, p))
	case "prune":
		_, err := p.db.Prune(t.ctx, inventory.Retention{History: 5 * 24 * time.Hour, Gone: 2 * 24 * time.Hour}, t.clock())
		return err
	case "teams":
		slices.Reverse(t.teams)
		t.teams[0].Repositories = append(t.teams[0].Repositories, []inventory.Glob{"local/base", "other/**", "*/pay/*"}[s.n[0]%3])
		if len(t.teams[0].Repositories) > 3 {
			t.teams[0].Repositories = t.teams[0].Repositories[:1]
		}
		return t.configure(p)
	case "settle":
		return t.settled(p)
	}
	panic("no such step: " + s.does)
}

// unless is nil when an error is that of a death.
func (t *tale) unless(err error) error {
	if errors.Is(err, errDied) {
		return nil
	}
	return err
}

// change changes the world.
func (t *tale) change(s step) {
	h := t.harbours[s.n[0]%2]
	name := berths[s.n[1]%3]
	b := h.berths[name]
	if b == nil {
		if s.does != "push" {
			return
		}
		b = newBerth()
		h.berths[name] = b
	}
	flag := flags[s.n[2]%3]
	switch s.does {
	case "push":
		b.tags[flag] = cargoDigest(int(s.n[2]/3) % cargo)
		t.say("      %s/%s:%s is image %d", h.name, name, flag, int(s.n[2]/3)%cargo)
	case "untag":
		delete(b.tags, flag)
		t.say("      %s/%s:%s is gone", h.name, name, flag)
	case "drop":
		if name != "base" { // a registry that lists nothing is believed to be broken
			delete(h.berths, name)
			t.say("      %s/%s is gone", h.name, name)
		}
	case "sign", "unsign":
		var pointing []string
		for flag := range b.tags {
			pointing = append(pointing, flag)
		}
		if len(pointing) == 0 {
			return
		}
		slices.Sort(pointing)
		d := b.tags[pointing[int(s.n[2])%len(pointing)]]
		if inside := insideOf(d); inside != nil && s.n[2]%4 == 0 {
			d = inside[s.n[2]/4%2]
		}
		if s.does == "unsign" {
			delete(b.marks, d)
			t.say("      %s/%s@%s has no signature", h.name, name, d.Short())
			return
		}
		m := mark{By: int(s.n[2]/16) % crew, Broken: s.n[2]/256%6 == 0, Domain: "public-good"}
		if m.By < keysOfCrew {
			m.Domain = ""
		} else if s.n[2]/2048%5 == 0 {
			m.Domain = "private"
		}
		if s.n[2]/16384%5 == 0 {
			m.Ends = ms(t.clock().Add(time.Duration(1+s.n[2]/65536%100) * time.Hour))
		}
		b.marks[d] = append(b.marks[d], m)
		t.say("      %s/%s@%s is signed: %+v", h.name, name, d.Short(), m)
	case "trouble":
		switch s.n[2] % 4 {
		case 0:
			h.down = true
		case 1:
			b.denied = true
		case 2:
			b.unsteady = flag
		case 3:
			b.fogged = true
		}
		t.say("      trouble %d in %s/%s:%s", s.n[2]%4, h.name, name, flag)
	case "calm":
		t.calm()
	}
}

func (t *tale) calm() {
	for _, h := range t.harbours {
		h.down = false
		for _, b := range h.berths {
			b.denied, b.unsteady, b.fogged = false, "", false
		}
	}
}

var (
	dana  = inventory.Actor{Kind: inventory.UserActor, Name: "Dana", Subject: "i|dana", Role: inventory.Reviewer}
	robin = inventory.Actor{Kind: inventory.UserActor, Name: "Robin", Subject: "i|robin", Role: inventory.Reviewer}
	vera  = inventory.Actor{Kind: inventory.UserActor, Name: "Vera", Subject: "i|vera", Role: inventory.Viewer}
)

func someone(n uint32) inventory.Actor {
	switch {
	case n%12 == 0:
		return vera
	case n%2 == 0:
		return dana
	}
	return robin
}

// entered notes that the audit log has one entry more.
func (t *tale) entered(action, object string) { t.accepted[action+" "+object]++ }

// refused is whether an error is the answer that a person gets who asks for what
// can't be.
func refused(err error) bool {
	switch inventory.KindOf(err) {
	case inventory.Conflict, inventory.Invalid, inventory.NotFound, inventory.Forbidden:
		return true
	}
	return false
}

func (t *tale) register(s step, p *hand) error {
	id, by := keyID(int(s.n[0])%keysOfCrew), someone(s.n[1])
	_, err := p.door.RegisterKey(t.ctx, by, inventory.Signer{ID: id, Name: "a key", PublicKey: "-----BEGIN PUBLIC KEY-----\n"})
	t.say("      %s registers %s: %v", by.Name, id, err)
	switch {
	case by.Role < inventory.Reviewer:
		t.entered("access.refused", string(id))
		return must(err, inventory.Forbidden)
	case t.known[id]:
		if errors.Is(err, errDied) {
			return nil
		}
		return must(err, inventory.Conflict)
	case err == nil, errors.Is(err, errDied) && p.behind:
		t.known[id] = true
		t.entered("key.register", string(id))
		return nil
	case errors.Is(err, errDied):
		return nil
	}
	return fmt.Errorf("registering a key that isn't: %w", err)
}

// must is nil when an error is of a kind.
func must(err error, kind inventory.Kind) error {
	if inventory.KindOf(err) != kind || err == nil {
		return fmt.Errorf("want a refusal of the kind %q, got %v", kind, err)
	}
	return nil
}

// request is a decision that somebody might make.
func (t *tale) request(s step, p *hand) (decision.SignerRequest, error) {
	who := crewID(int(s.n[0]) % crew) // whether it was ever seen or not
	if s.n[0]/crew%8 > 0 {
		seen, err := database.Column[inventory.SignerID](t.ctx, p.db.sql.Reader, "select id from signers")
		if err != nil {
			return decision.SignerRequest{}, err
		}
		if len(seen) > 0 {
			slices.Sort(seen)
			who = seen[int(s.n[0])%len(seen)]
		}
	}
	r := decision.SignerRequest{Signer: who, Reason: "because", Acknowledged: true}
	seen, err := p.db.Signer(t.ctx, who, t.clock())
	if err == nil {
		r.Revision = seen.Revision
	} else if inventory.KindOf(err) != inventory.NotFound {
		return r, err
	}
	switch kind := s.n[1] % 10; {
	case kind == 0:
		r.Verb = inventory.Reject
	case kind < 4 && (inventory.StandingAt(t.ledger[who], t.clock()) == inventory.Approved || kind == 1):
		r.Verb = inventory.Revoke
	default:
		r.Verb = inventory.Approve
		r.Repositories = [][]inventory.Glob{{"**"}, {"local/**"}, {"*/base"}, {"local/pay/**", "other/base"}, {"nowhere/**"}}[s.n[1]/16%5]
		if hours := []int{0, 0, 1, 70, 700}[s.n[1]/128%5]; hours > 0 {
			end := t.clock().Add(time.Duration(hours) * time.Hour)
			r.ExpiresAt = &end
		}
	}
	if _, name, keyless := who.Identity(); keyless && r.Verb == inventory.Approve {
		wide := []inventory.IdentityPattern{"", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", "https://github.com/acme/**"}[s.n[2]/1024%3]
		if wide != "" && wide.Match(name) {
			r.Identities = wide
		}
		if len(seen.Roots) > 0 && s.n[2]/4096%4 == 0 {
			r.Roots = seen.Roots[:1]
		}
	}
	for _, d := range t.ledger[who] { // what one proposes another one often confirms
		if r.Verb == inventory.Approve && d.State == inventory.StateProposed && s.n[2]%4 > 0 {
			r.Repositories, r.Identities = slices.Clone(d.Repositories), d.Identities
			break
		}
	}
	return r, nil
}

func (t *tale) decide(s step, p *hand) error {
	r, err := t.request(s, p)
	if err != nil {
		return err
	}
	by := someone(s.n[2] / 64)
	return t.decided(r, by, s.n[2]%9 == 0, p)
}

func (t *tale) decided(r decision.SignerRequest, by inventory.Actor, late bool, p *hand) error {
	if late {
		r.Revision--
	}
	was := t.ledger[r.Signer]
	d, err := p.door.Decide(t.ctx, by, r)
	t.say("      %s: %s %s in %v until %v, having seen %d, for %q by %v: %s %v", by.Name, r.Verb, r.Signer, r.Repositories, r.ExpiresAt, r.Revision, r.Identities, r.Roots, d.State, err)
	if by.Role < inventory.Reviewer {
		t.entered("access.refused", string(r.Signer))
		return must(err, inventory.Forbidden)
	}
	if errors.Is(err, errDied) {
		// Nobody was told. What is there is all or nothing.
		now, e := t.processes[0].db.Decisions(t.ctx, []inventory.SignerID{r.Signer})
		if e != nil {
			return e
		}
		// What others lend it isn't about it.
		own := slices.DeleteFunc(now.BySigner[r.Signer], func(d inventory.Decision) bool { return d.Signer != r.Signer })
		switch n := len(own) - len(was); {
		case n == 0 && !p.behind:
			return nil
		case n == 1 && p.behind:
			d = own[0]
		default:
			return fmt.Errorf("a process died in a decision (after it: %v), and there are %d more", p.behind, n)
		}
	} else if err != nil {
		if !refused(err) {
			return fmt.Errorf("not the answer to a person: %w", err)
		}
		return t.mayRefuse(r, by, late, was, err)
	}
	return t.book(d, by, r.Verb)
}

// mayRefuse is nil when a refusal is what the rules ask for.
func (t *tale) mayRefuse(r decision.SignerRequest, by inventory.Actor, late bool, was []inventory.Decision, err error) error {
	standing := inventory.StandingAt(t.counting()[r.Signer], t.clock())
	switch {
	case late, inventory.KindOf(err) == inventory.NotFound && len(was) == 0 && !t.known[r.Signer]:
		return nil
	case r.Verb == inventory.Revoke && standing != inventory.Approved && standing != inventory.Expired:
		return must(err, inventory.Conflict)
	case r.Verb == inventory.Approve && t.approvers > 1 && t.proposal(was, r, by):
		return must(err, inventory.Conflict)
	}
	return fmt.Errorf("nothing speaks against it, and it is refused: %w", err)
}

// proposal reports whether somebody proposed just that before.
func (t *tale) proposal(was []inventory.Decision, r decision.SignerRequest, by inventory.Actor) bool {
	return slices.ContainsFunc(was, func(d inventory.Decision) bool {
		return d.State == inventory.StateProposed && slices.Equal(d.Repositories, sorted(r.Repositories)) && d.Identities == r.Identities &&
			d.DecidedBy[0].Subject == by.Subject && (d.ExpiresAt == nil || d.ExpiresAt.After(t.clock()))
	})
}

func sorted(globs []inventory.Glob) []inventory.Glob {
	globs = slices.Clone(globs)
	slices.Sort(globs)
	return globs
}

// book writes a decision that was made into the ledger, by rules of its own.
func (t *tale) book(d inventory.Decision, by inventory.Actor, verb inventory.Verb) error {
	list := slices.Clone(t.ledger[d.Signer])
	action := "signer." + string(verb)
	switch {
	case verb != inventory.Approve:
		for i := range list {
			switch list[i].State {
			case inventory.StateActive:
				list[i].State = inventory.StateRevoked
			case inventory.StateProposed:
				list[i].State = inventory.StateRejected
			}
		}
	case d.State == inventory.StateProposed:
		action = "signer.propose"
		if t.approvers < 2 {
			return fmt.Errorf("an approval by one is only proposed: %+v", d)
		}
	case t.approvers > 1:
		found := false
		for i := range list {
			if list[i].State == inventory.StateProposed && slices.Equal(list[i].Repositories, d.Repositories) && list[i].Identities == d.Identities && list[i].DecidedBy[0].Subject != by.Subject {
				list[i].State, found = inventory.StateRevoked, true
				break
			}
		}
		if !found || len(d.DecidedBy) != 2 {
			return fmt.Errorf("an approval counts that one person made: %+v", d)
		}
	}
	t.entered(action, string(d.Signer))
	t.ledger[d.Signer] = append([]inventory.Decision{d}, list...)
	return nil
}

// foresee asks what a decision would change, makes it, and holds that this is
// what it changed.
func (t *tale) foresee(s step, p *hand) error {
	by := dana
	if t.approvers > 1 {
		return nil // it takes two decisions
	}
	r, err := t.request(s, p)
	if err != nil {
		return err
	}
	if _, err := p.syncer.Rejudge(t.ctx); err != nil {
		return err
	}
	before, err := t.images(p)
	if err != nil {
		return err
	}
	impact, err := p.door.Preview(t.ctx, by, r)
	if err != nil {
		if refused(err) {
			return nil
		}
		return err
	}
	if err := t.decided(r, by, false, p); err != nil {
		return err
	}
	if _, err := p.syncer.Rejudge(t.ctx); err != nil {
		return err
	}
	after, err := t.images(p)
	if err != nil {
		return err
	}
	want, got := map[string]int{}, map[string]int{}
	for _, c := range impact.Changes {
		want[fmt.Sprintf("%s to %s", c.From, c.To)] = c.Images
		want["held"] += c.Held
	}
	now := map[int64]inventory.Image{}
	for _, i := range after {
		now[i.ID] = i
	}
	got["held"] = 0
	for _, i := range before {
		if is := now[i.ID]; len(i.Tags) > 0 && is.Status != i.Status {
			got[fmt.Sprintf("%s to %s", i.Status, is.Status)]++
			if i.Quarantine != nil {
				got["held"]++
			}
		}
	}
	if len(impact.Changes) == 0 {
		want["held"] = 0
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("foreseen was %v, and it became %v", want, got)
	}
	return nil
}

func (t *tale) hold(s step, p *hand) error {
	r, by := decision.QuarantineRequest{Reason: "odd"}, someone(s.n[1])
	object := ""
	if s.n[0]%2 == 0 {
		r.Digest = cargoDigest([]int{0, 1, 2, 3, 4, 5, 100, 999}[s.n[0]/2%8])
		object = string(r.Digest)
	} else {
		r.Repository = t.harbours[s.n[0]/2%2].name + "/" + berths[s.n[0]/4%3]
		r.Tag = flags[s.n[0]/16%3]
		object = r.Repository + ":" + r.Tag
	}
	if hours := []int{0, 1, 40, 400}[s.n[2]/32%4]; hours > 0 {
		end := t.clock().Add(time.Duration(hours) * time.Hour)
		r.ExpiresAt = &end
	}
	q, err := p.door.Quarantine(t.ctx, by, r)
	t.say("      %s holds %s until %v: %v", by.Name, object, r.ExpiresAt, err)
	if by.Role < inventory.Reviewer {
		t.entered("access.refused", object)
		return must(err, inventory.Forbidden)
	}
	if errors.Is(err, errDied) {
		list, e := t.quarantines(t.processes[0])
		if e != nil {
			return e
		}
		switch n := len(list) - len(t.held); {
		case n == 0 && !p.behind:
			return nil
		case n == 1 && p.behind:
			for _, one := range list {
				if _, ok := t.held[one.ID]; !ok {
					q = one
				}
			}
		default:
			return fmt.Errorf("a process died in a quarantine (after it: %v), and there are %d more", p.behind, n)
		}
	} else if err != nil {
		if refused(err) && t.holds(object) {
			return nil // the same twice may be refused
		}
		return fmt.Errorf("holding it is refused: %w", err)
	}
	t.held[q.ID] = q
	t.entered("image.quarantine", object)
	return nil
}

// holds reports whether something stands that was held under a name.
func (t *tale) holds(object string) bool {
	for _, q := range t.held {
		if q.StandsAt(t.clock()) && (string(q.Digest) == object || q.Repository+":"+q.Tag == object) {
			return true
		}
	}
	return false
}

func (t *tale) release(s step, p *hand) error {
	var ids []string
	for id, q := range t.held {
		if q.StandsAt(t.clock()) || s.n[2]%8 == 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b string) int {
		return t.held[a].At.Compare(t.held[b].At)*2 + strings.Compare(t.held[a].Repository+string(t.held[a].Digest), t.held[b].Repository+string(t.held[b].Digest))
	})
	q, by := t.held[ids[int(s.n[0])%len(ids)]], someone(s.n[1])
	object := string(q.Digest)
	if object == "" {
		object = q.Repository + ":" + q.Tag
	}
	err := p.door.Release(t.ctx, by, q.ID, "enough")
	t.say("      %s releases %s: %v", by.Name, object, err)
	if by.Role < inventory.Reviewer {
		t.entered("access.refused", q.ID)
		return must(err, inventory.Forbidden)
	}
	now := t.clock()
	switch {
	case !q.StandsAt(now):
		if errors.Is(err, errDied) {
			return nil
		}
		return must(err, inventory.Conflict)
	case err == nil, errors.Is(err, errDied) && p.behind:
		q.ReleasedAt = &now
		t.held[q.ID] = q
		t.entered("image.release", object)
		return nil
	case errors.Is(err, errDied):
		return nil
	}
	return fmt.Errorf("releasing what stands is refused: %w", err)
}

// play performs a tale on an empty database and says what was wrong, and what
// happened.
func play(ctx context.Context, dsn string, key audit.Key, keys note.Verifiers, list []step, approvers int) (told []string, err error) {
	t, err := begin(ctx, dsn, key, keys, approvers)
	if err != nil {
		return nil, err
	}
	defer t.end()
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("%v, after\n%s", r, strings.Join(t.told, "\n")))
		}
	}()
	err = t.perform(list)
	return t.told, err
}

// shrink looks for as few of the steps as still go wrong.
func shrink(list []step, wrong func([]step) bool, until time.Time) []step {
	for size := len(list) / 2; size > 0; {
		smaller := false
		for from := 0; from+size <= len(list) && time.Now().Before(until); {
			fewer := slices.Concat(list[:from], list[from+size:])
			if wrong(fewer) {
				list, smaller = fewer, true
			} else {
				from += size
			}
		}
		if !smaller {
			size /= 2
		}
		if !time.Now().Before(until) {
			break
		}
	}
	return list
}

func emptyDatabase(t *testing.T, kind string) string {
	if kind == "postgres" {
		return databasetest.PostgresSchema(t)
	}
	return "sqlite:" + t.TempDir() + "/signboard.db"
}
