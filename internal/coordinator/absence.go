// Whether a store's records are gone for certain

package coordinator

import (
	"errors"
	"time"

	"github.com/clstr-go/clstr/membership"
)

const (
	// absentFor is for how long every look must find a store without records before
	// anything follows from that. One answer may be that of a server that is behind
	// the others, or that has lost touch with them.
	absentFor = 2 * time.Second
	// lookAgain is the pause between those looks.
	lookAgain = 250 * time.Millisecond
)

// absence follows looks at a store that may have lost its records.
type absence struct {
	since time.Time // the first look that found none, with none that found any since
}

// certain takes how a look has ended, and reports whether the records are gone.
func (a *absence) certain(err error) bool {
	if !errors.Is(err, membership.ErrNoRecords) {
		a.since = time.Time{}
		return false
	}
	if a.since.IsZero() {
		a.since = time.Now()
	}
	return time.Since(a.since) >= absentFor
}
