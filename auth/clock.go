package auth

import "time"

// Clock tells the time. The wall clock may be set back or forth by people and
// by NTP; Elapsed may not, so what must pass is measured by it.
type Clock interface {
	Now() time.Time         // the wall clock
	Elapsed() time.Duration // monotonic, since a fixed moment of this process
}

// SystemClock returns the machine's clock.
func SystemClock() Clock { return systemClock{started: time.Now()} }

type systemClock struct{ started time.Time }

func (systemClock) Now() time.Time           { return time.Now() }
func (c systemClock) Elapsed() time.Duration { return time.Since(c.started) }
