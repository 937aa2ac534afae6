package dct

import "time"

// Hurry shortens what is waited for a file.
func (p *Place) Hurry(d time.Duration) { p.remote.wait = d }

// Keep is how many repositories a Place keeps at the most.
const Keep = keptViews
