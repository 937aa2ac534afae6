package dct

import (
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
)

// view is what the server said of one repository at one moment, and how much of
// it holds.
type view struct {
	gun    string
	at     time.Time
	absent bool // the server knows nothing of the repository

	root      root
	timestamp file
	snapshot  file
	frame     frame
	pinned    bool
	known     state   // what it was compared with
	roles     []*role // targets first, each before those it delegates to
	// unread is why a list that there is could not be read. What it holds isn't
	// known then.
	unread *inventory.LookError
	until  time.Time // the first moment at which a file of it runs out
	weight int       // bytes of metadata
}

// frame is what all lists of a repository rest on.
type frame struct{ root, pin, timestamp, snapshot, rollback finding }

func (f frame) fault() *fault { return first(f.root, f.pin, f.timestamp, f.snapshot, f.rollback) }

// role is one list of targets.
type role struct {
	file
	by        []key // who signed it
	threshold int
	allowed   int      // how many keys may sign
	paths     []string // tags have to begin with one of them
	above     *role    // who delegated to it; nil for targets
	entries   map[string][]entry

	delegates                                           data.Delegations
	signature, delegation, expiry, membership, rollback finding
}

// fault is the first thing that doesn't hold about the role itself.
func (r *role) fault() *fault {
	return first(r.membership, r.signature, r.delegation, r.expiry, r.rollback)
}

// entry is one target: a tag that was signed.
type entry struct {
	tag    string
	length int64
	hashes []inventory.Fact
}

// loading reads and checks the metadata of one repository, once.
type loading struct {
	gun   string
	now   time.Time
	pins  []Pin
	known state
	files *session
	view  *view
	meta  data.Files // of the snapshot, as far as it could be read
}

// load reads everything again when what it got doesn't fit together: the server
// may have been written to meanwhile.
func (p *Place) load(ctx context.Context, gun string, known state) (*view, error) {
	for again := false; ; again = true {
		l := &loading{gun: gun, now: p.now(), pins: p.pins(gun), known: known, files: p.remote.session(gun)}
		if err := l.run(ctx); err != nil {
			return nil, err
		}
		if again || !l.view.torn() {
			return l.view, nil
		}
	}
}

func (v *view) torn() bool {
	faults := []*fault{v.frame.fault()}
	for _, r := range v.roles {
		faults = append(faults, r.fault())
	}
	for _, f := range faults {
		if f != nil && f.torn {
			return true
		}
	}
	return false
}

func (l *loading) run(ctx context.Context) error {
	v := &view{gun: l.gun, at: l.now}
	l.view = v
	raw, err := l.files.file(ctx, "timestamp", maxTimestamp)
	if errors.Is(err, errAbsent) {
		if l.known.Root == nil {
			v.absent = true
			return nil
		}
		return l.vanished(err)
	}
	if err != nil {
		return err
	}
	rawRoot, err := l.files.file(ctx, "root", maxRoot)
	if errors.Is(err, errAbsent) {
		return l.files.look(inventory.ReasonRegistryInconsistent, err, "has a timestamp for %s and no root", shown(l.gun))
	}
	if err != nil {
		return err
	}
	l.forget()
	if err := l.establish(ctx, rawRoot); err != nil {
		return err
	}
	l.fresh(raw)
	if err := l.gather(ctx); err != nil {
		return err
	}
	if v.frame.rollback.fault == nil {
		v.frame.rollback = pass("Nothing here is older than what was seen before.")
	}
	if err := l.lists(ctx); err != nil {
		return err
	}
	l.measure()
	return nil
}

// vanished is what to say of a repository that was known and is no more.
func (l *loading) vanished(err error) error {
	look := l.files.look(inventory.ReasonRegistryInconsistent, err, "no longer knows %s, and did before", shown(l.gun))
	if on, ok := Closes(l.files.base.String()); ok {
		look.Message += " The server closes on " + day(on) + ": sign with cosign or Notation instead."
	}
	return look
}

// forget lets go of what was remembered under a root that wasn't pinned, once
// another is: the pin is how somebody says that the repository was made anew.
// What is forgotten here stays in the memory until the new root was found good.
func (l *loading) forget() {
	if len(l.pins) > 0 && l.known.Root != nil && !l.meets(l.known.Root) {
		l.known = state{}
	}
	if l.known.FirstSeen.IsZero() {
		l.known.FirstSeen = l.now.UTC().Truncate(time.Second)
	}
	l.view.known = l.known
}

func (l *loading) meets(raw []byte) bool {
	r, fault := readRoot("root", raw)
	if fault != nil {
		return false
	}
	set, fault := r.own(l.gun)
	if fault != nil {
		return false
	}
	_, fault = set.pinned(l.pins, l.now).verify(r.file, nil)
	return fault == nil
}

// older notes that a file of the frame is older than one seen before.
func (l *loading) older(what string, version, seen int) {
	if l.view.frame.rollback.fault == nil {
		l.view.frame.rollback = fail(rolledBack(what, version, seen))
	}
}

func rolledBack(what string, version, seen int) *fault {
	f := faulty(inventory.ReasonTrustRootStale, "The server now answers with version %d of the %s, and version %d was seen before: somebody put an older one back.", version, shown(what), seen)
	f.torn = true
	return f
}

// resting is the fault that keeps the root's keys from vouching for anything.
func (l *loading) resting() *fault { return first(l.view.frame.root, l.view.frame.pin) }

// fresh checks the timestamp.
func (l *loading) fresh(raw []byte) {
	v := l.view
	f, err := read("timestamp", raw)
	v.timestamp = f
	var says *data.SignedTimestamp
	if err == nil {
		says, err = f.timestamp()
	}
	if err != nil {
		v.frame.timestamp = fail(faulty(inventory.ReasonPayloadMalformed, "%s can't be read: %s.", f, shown(err.Error())))
		return
	}
	l.meta = says.Signed.Meta
	if l.resting() != nil {
		return
	}
	_, fault := v.root.role(data.CanonicalTimestampRole).verify(f, &l.now)
	switch {
	case fault != nil:
		v.frame.timestamp = fail(fault)
	case f.version < l.known.Versions["timestamp"]:
		l.older("timestamp", f.version, l.known.Versions["timestamp"])
		return
	case !l.now.Before(f.expires):
		v.frame.timestamp = fail(faulty(inventory.ReasonTrustRootStale,
			"The timestamp ran out on %s, so nothing shows that the server's files are the newest.", day(f.expires)))
	default:
		v.frame.timestamp = pass("A timestamp that hasn't run out says that these are the newest files.")
	}
}

// gather checks the snapshot.
func (l *loading) gather(ctx context.Context) error {
	v := l.view
	f, fault, err := l.named(ctx, "snapshot", maxSnapshot)
	if errors.Is(err, errAbsent) {
		return l.files.look(inventory.ReasonRegistryInconsistent, err, "has a timestamp for %s and no snapshot", shown(l.gun))
	}
	if err != nil {
		return err
	}
	v.snapshot, l.meta = f, nil
	if fault != nil {
		v.frame.snapshot = fail(fault)
		if f.signed == nil {
			return nil
		}
	}
	says, err := f.snapshot()
	if err != nil {
		v.frame.snapshot = fail(faulty(inventory.ReasonPayloadMalformed, "%s can't be read: %s.", f, shown(err.Error())))
		return nil
	}
	l.meta = says.Signed.Meta
	if fault != nil || l.resting() != nil {
		return nil
	}
	_, fault = v.root.role(data.CanonicalSnapshotRole).verify(f, &l.now)
	switch {
	case fault != nil:
	case f.version < l.known.Versions["snapshot"]:
		l.older("snapshot", f.version, l.known.Versions["snapshot"])
	case !l.now.Before(f.expires):
		fault = faulty(inventory.ReasonTrustRootStale, "The snapshot ran out on %s, so nothing shows which files belong together now.", day(f.expires))
	case !matches(v.root.raw, l.meta["root"]):
		fault = faulty(inventory.ReasonSignatureMismatch, "The snapshot belongs to another root.")
		fault.torn = true
	}
	if fault != nil {
		v.frame.snapshot = fail(fault)
		return nil
	}
	v.frame.snapshot = pass("The snapshot is signed, belongs to this root, and hasn't run out.")
	return nil
}

// matches reports whether a file has the length and the hashes that another
// names. Length zero is how some clients leave it out.
func matches(raw []byte, meta data.FileMeta) bool {
	return (meta.Length == 0 || meta.Length == int64(len(raw))) &&
		len(meta.Hashes["sha256"]) > 0 && data.CheckHashes(raw, "", meta.Hashes) == nil
}

// named reads a file that another one names by hash, under the name that holds
// the hash: then it doesn't matter that the server is being written to. Servers
// and copies that don't know such names are asked for the plain one. A file that
// isn't what it should be comes with the fault.
func (l *loading) named(ctx context.Context, name string, most int64) (file, *fault, error) {
	meta, listed := l.meta[name]
	if listed && meta.Length > most {
		return file{name: name}, nil, l.files.look(inventory.ReasonTooLarge, nil, "says that %s.json of %s has %d bytes; %d is the most that is read", shown(name), shown(l.gun), meta.Length, most)
	}
	var raw []byte
	err := errAbsent
	if sum := meta.Hashes["sha256"]; len(sum) == 32 {
		raw, err = l.files.file(ctx, name+"."+hex.EncodeToString(sum), most)
	}
	if errors.Is(err, errAbsent) {
		raw, err = l.files.file(ctx, name, most)
	}
	if err != nil {
		return file{name: name}, nil, err
	}
	f, err := read(name, raw)
	if err != nil {
		return f, faulty(inventory.ReasonPayloadMalformed, "%s can't be read: %s.", f, shown(err.Error())), nil
	}
	if listed && !matches(raw, meta) {
		fault := faulty(inventory.ReasonSignatureMismatch, "%s isn't the one that belongs to the others.", f)
		fault.torn = true
		return f, fault, nil
	}
	return f, nil, nil
}

// measure notes when the view has to be made anew and what it weighs.
func (l *loading) measure() {
	v := l.view
	v.weight = int(maxRepository - l.files.left)
	for _, f := range v.files() {
		if f.expires.After(l.now) && (v.until.IsZero() || f.expires.Before(v.until)) {
			v.until = f.expires
		}
	}
	var certificates []key
	certificates = append(certificates, v.root.by...)
	for _, r := range v.roles {
		certificates = append(certificates, r.by...)
	}
	for _, k := range certificates {
		if c := k.cert(); c != nil && c.NotAfter.After(l.now) && (v.until.IsZero() || c.NotAfter.Before(v.until)) {
			v.until = c.NotAfter
		}
	}
}

func (v *view) files() []file {
	files := []file{v.root.file, v.timestamp, v.snapshot}
	for _, r := range v.roles {
		files = append(files, r.file)
	}
	return files
}

// permitted reports whether a role may sign a tag.
func (r *role) permitted(tag string) bool {
	for _, p := range r.paths {
		if strings.HasPrefix(tag, p) {
			return true
		}
	}
	return false
}

// line is the roles from targets down to this one.
func (r *role) line() []*role {
	if r == nil {
		return nil
	}
	return append(r.above.line(), r)
}

// alias is what a key is called by the roles it signs for: of a team's and a
// person's role, the person's.
func (v *view) alias(k key) string {
	in := map[string]bool{}
	for _, r := range v.roles {
		for _, by := range r.by {
			if by.id == k.id {
				in[r.name] = true
			}
		}
	}
	if len(in) > 1 {
		delete(in, "targets/releases")
	}
	best := ""
	for name := range maps.Keys(in) {
		if best == "" || name < best {
			best = name
		}
	}
	return best
}
