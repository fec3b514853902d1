// The one deadline of a move, and its stages

package standing

import "time"

// Stages says by when the stages of a move must be over.
type Stages struct {
	Calls time.Time // what runs then loses its context
	Heed  time.Time // and what heeds that has returned: the keys passivate, also where others are late
	Hooks time.Time // stop hooks that run then lose their context; those that heed it return by End
	End   time.Time
}

const (
	saveTime = 3 * time.Second
	heedTime = time.Second
)

// stagesOf divides the time until the end of a move. Keys have a quarter of it to
// passivate where calls are late, 3 s at most; what has lost its context has an eighth to
// return, 1 s at most, so that what heeds it does not run beside the next owner's.
func stagesOf(end time.Time) *Stages {
	left := time.Until(end)
	save, heed := min(left/4, saveTime), min(left/8, heedTime)
	s := &Stages{End: end, Hooks: end.Add(-heed)}
	s.Calls = s.Hooks.Add(-save)
	s.Heed = s.Calls.Add(heed)
	return s
}
