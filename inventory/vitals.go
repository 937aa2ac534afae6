package inventory

import "time"

// Vitals are the numbers that monitoring follows: enough to see that something
// is wrong and where to look, and no more than a few for each registry.
type Vitals struct {
	Registries []RegistryVitals // by name
	// Reevaluating is how many images are left to be judged again.
	Reevaluating int
	Signers      map[Standing]int
	// Decisions counts those about signers that counted once, whether they still
	// do or not.
	Decisions map[Verb]int
	// NextExpiry is when the first of the approvals that hold runs out, nil when
	// none of them does.
	NextExpiry *time.Time
	// Expiring is how many approvals run out, unrenewed, within each of the windows
	// in which that is announced.
	Expiring     map[time.Duration]int
	AuditEntries int64
}

// RegistryVitals is a registry as monitoring sees it.
type RegistryVitals struct {
	Registry
	Counts Counts
}
