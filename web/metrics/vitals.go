package metrics

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signboard/inventory"
)

// kept is how long what was read answers others who ask; patience is how long
// one who asks waits for the database, less than Prometheus waits for us.
const (
	kept     = time.Second
	patience = 3 * time.Second
)

// vitals are the numbers that are read when somebody asks.
type vitals struct {
	Config

	mu      sync.Mutex
	reading chan struct{} // closed when the reading that is going on has ended; nil without one
	readAt  time.Time
	latest  inventory.Vitals
	err     error
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("signboard_"+name, help, labels, nil)
}

var (
	up           = describe("up", "1 when the database answered this time, 0 when it didn't: the numbers that it knows are then missing.")
	images       = describe("images", "Images in use, by registry and status.", "registry", "status")
	quarantined  = describe("images_quarantined", "Images in use that are held in quarantine, whatever their status is, by registry.", "registry")
	stale        = describe("images_stale", "Images in use whose status is unknown and of which there is an earlier result, by registry.", "registry")
	repositories = describe("repositories", "Repositories, by registry.", "registry")
	unreadable   = describe("repositories_failing", "Repositories whose latest look failed, by registry.", "registry")
	failing      = describe("registry_failing", "1 when the registry as a whole could not be read at the latest try.", "registry")
	running      = describe("sync_running", "1 while a sync of the registry runs, in any process.", "registry")
	interval     = describe("sync_interval_seconds", "How often the registry is to be read, as configured.", "registry")
	age          = describe("sync_age_seconds", "Since when the registry was last read completely; +Inf when it never was.", "registry")
	signers      = describe("signers", "Signers, by standing. Those that are pending wait for a reviewer.", "standing")
	decided      = describe("decisions_total", "Decisions about signers that counted when they were made, by what they say.", "decision")
	expiry       = describe("approval_next_expiry_timestamp_seconds", "When the first of the approvals that hold runs out; missing when none does.")
	expiring     = describe("approvals_expiring", "Approvals that hold and run out within so many days, unless they were renewed.", "days")
	reevaluating = describe("images_left_to_judge", "Images whose verdict a decision, or the time, has overtaken and that are still to be judged again.")
	audited      = describe("audit_entries_total", "Entries of the audit log.")

	requested = describe("registry_requests_total", "Requests that this process sent to the registry, its token service and its blob storage.", "registry")
	retried   = describe("registry_requests_retried_total", "Of those, the ones that repeated another.", "registry")
	saved     = describe("registry_requests_saved_total", "Requests that a client without a memory would have sent in the same place.", "registry")
	rootAge   = describe("trust_root_age_seconds", "Since when the root of trust was last fetched and found good; missing for a file.", "kind", "name")
	rootStale = describe("trust_root_stale", "1 when the root of trust should be newer than it is, or isn't there.", "kind", "name")
	provider  = describe("identity_provider_up", "1 when the identity provider answered when it was last looked at, a minute or so ago, 0 when it didn't; missing until it was looked at.")
	intact    = describe("audit_whole", "1 when every entry of the audit log was what was written at the last check by this process, 0 when one wasn't, or when the log could not be read; missing before the first check.")
	intactAge = describe("audit_check_age_seconds", "Since when the whole audit log was last checked by this process; missing before the first check.")
	published = describe("audit_published", "1 when the latest checkpoint of the audit log is published where the configuration says, by kind of place; 0 when that failed at the latest try.", "place")
	open      = describe("database_connections", "Connections of this process to the database, by what they are for and whether they are in use.", "pool", "state")
	most      = describe("database_connections_max", "How many of them there may be.", "pool")
	waits     = describe("database_waits_total", "How often something waited for a connection.", "pool")
	waited    = describe("database_wait_seconds_total", "How long that took altogether.", "pool")
)

// Describe lists all that Collect may have.
func (v *vitals) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{up, images, quarantined, stale, repositories, unreadable, failing, running, interval, age, signers, decided,
		expiry, expiring, audited, requested, retried, saved, rootAge, rootStale, provider, intact, intactAge, published, open, most, waits, waited} {
		ch <- d
	}
}

// Collect has the numbers of this moment.
func (v *vitals) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	known, ok := v.read()
	gauge(up, one(ok))
	if ok {
		v.inventory(known, gauge, counter)
	}
	if v.Traffic != nil {
		for name, t := range v.Traffic() {
			counter(requested, float64(t.Requests), name)
			counter(retried, float64(t.Retried), name)
			counter(saved, float64(t.Saved), name)
		}
	}
	if v.Roots != nil {
		v.roots(gauge)
	}
	if v.Provider != nil {
		if up, known := v.Provider(); known {
			gauge(provider, one(up))
		}
	}
	if v.Audit != nil {
		if check := v.Audit(); check != nil {
			gauge(intact, one(check.Whole()))
			gauge(intactAge, since(v.Clock(), &check.At))
		}
	}
	if v.Published != nil {
		for place, is := range v.Published() {
			gauge(published, one(is), place)
		}
	}
	if v.Pools != nil {
		for name, p := range v.Pools() {
			gauge(open, float64(p.InUse), name, "in_use")
			gauge(open, float64(p.Idle), name, "idle")
			gauge(most, float64(p.MaxOpenConnections), name)
			counter(waits, float64(p.WaitCount), name)
			counter(waited, p.WaitDuration.Seconds(), name)
		}
	}
}

// sample is one number with the values of its labels.
type sample = func(d *prometheus.Desc, value float64, labels ...string)

// inventory has what the database knows.
func (v *vitals) inventory(known inventory.Vitals, gauge, counter sample) {
	now := v.Clock()
	for _, r := range known.Registries {
		for _, s := range inventory.Statuses {
			gauge(images, float64(r.Counts.Of(s)), r.Name, string(s))
		}
		gauge(quarantined, float64(r.Counts.Quarantined), r.Name)
		gauge(stale, float64(r.Counts.Stale), r.Name)
		gauge(repositories, float64(r.State.RepositoryCount), r.Name)
		gauge(unreadable, float64(r.State.FailingRepos), r.Name)
		gauge(failing, one(r.State.Failing != nil), r.Name)
		gauge(running, one(r.State.SyncStartedAt != nil && !r.State.Interrupted(now)), r.Name)
		gauge(interval, r.Interval.Seconds(), r.Name)
		gauge(age, since(now, r.State.LastCompleteAt), r.Name)
	}
	for _, s := range inventory.Standings {
		gauge(signers, float64(known.Signers[s]), string(s))
	}
	for _, verb := range []inventory.Verb{inventory.Approve, inventory.Reject, inventory.Revoke} {
		counter(decided, float64(known.Decisions[verb]), string(verb))
	}
	if known.NextExpiry != nil {
		gauge(expiry, float64(known.NextExpiry.UnixMilli())/1000)
	}
	for _, within := range []time.Duration{inventory.ExpiringAtOnce, inventory.ExpiringNext, inventory.ExpiringSoon} {
		gauge(expiring, float64(known.Expiring[within]), strconv.Itoa(int(within.Hours()/24)))
	}
	gauge(reevaluating, float64(known.Reevaluating))
	counter(audited, float64(known.AuditEntries))
}

// roots has one number for each name: several certificates may be configured
// under one, and then the oldest and the worst of them counts.
func (v *vitals) roots(gauge sample) {
	type root struct{ kind, name string }
	ages, bad := map[root]float64{}, map[root]bool{}
	now := v.Clock()
	for _, r := range v.Roots() {
		at := root{r.Kind, r.Name}
		bad[at] = bad[at] || r.Stale
		if r.ObtainedAt != nil {
			ages[at] = max(ages[at], since(now, r.ObtainedAt))
		}
	}
	for at, stale := range bad {
		gauge(rootStale, one(stale), at.kind, at.name)
	}
	for at, age := range ages {
		gauge(rootAge, age, at.kind, at.name)
	}
}

// read is what the database knows, at most a second old, and whether it
// answered. However many ask and however long it takes, it is asked by one.
func (v *vitals) read() (inventory.Vitals, bool) {
	v.mu.Lock()
	reading := v.reading
	if reading == nil && (v.readAt.IsZero() || time.Since(v.readAt) >= kept) {
		reading = make(chan struct{})
		v.reading = reading
		go v.ask(reading)
	}
	v.mu.Unlock()
	if reading != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-reading:
		case <-timer.C:
			return inventory.Vitals{}, false
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest, v.err == nil
}

// ask asks the database and ends a reading.
func (v *vitals) ask(reading chan struct{}) {
	defer close(reading)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	latest, err := v.Vitals(ctx, v.Clock())
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil && v.err == nil { // each outage once
		v.Log.Warn("the inventory's numbers could not be read for /metrics", "error", err)
	}
	v.reading, v.readAt, v.latest, v.err = nil, time.Now(), latest, err
}

// since is how many seconds ago something was; never is infinitely long ago,
// and a clock that was put back makes nothing younger than new.
func since(now time.Time, at *time.Time) float64 {
	if at == nil {
		return math.Inf(1)
	}
	return max(0, now.Sub(*at).Seconds())
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
