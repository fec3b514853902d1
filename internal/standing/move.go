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

// stagesOf divides the time until the end of a move. If calls are late, keys have a quarter of it to
// passivate, 3 s at most. Handlers and hooks whose contexts have ended have an eighth to
// return, 1 s at most, so that those that watch their context do not run beside the next owner's.
func stagesOf(end time.Time) *Stages {
	left := time.Until(end)
	save, heed := min(left/4, saveTime), min(left/8, heedTime)
	s := &Stages{End: end, Hooks: end.Add(-heed)}
	s.Calls = s.Hooks.Add(-save)
	s.Heed = s.Calls.Add(heed)
	return s
}
