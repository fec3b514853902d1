// What a watch has reported, and what is news to it: it decides, and does nothing

package cluster

import (
	"time"

	"github.com/clstr-go/clstr/state"
)

// seen is the newest state that a watch has reported.
type seen struct {
	any  bool // something was told
	rev  state.Rev
	gone bool      // that there is no state
	lost bool      // for no reason that is known: what comes next may be older
	ends time.Time // of the state's TTL; zero is never
	less time.Time // since when the store shows less than this; zero if it does not
}

// hint takes a hint of the store.
func (s *seen) hint(e state.Entry, now time.Time) (sight, bool) {
	if e.Rev <= s.rev {
		return sight{}, false
	}
	return s.take(e, now)
}

// look takes the record that a look has found, nil for none.
func (s *seen) look(e *state.Entry, now time.Time) (sight, bool) {
	switch {
	case e != nil && (e.Rev > s.rev || e.Rev == s.rev && s.lost):
		return s.take(*e, now)
	case e != nil && e.Rev == s.rev, e == nil && s.any && s.gone:
		s.less = time.Time{}
		return sight{}, false
	case !s.any:
		*s = seen{any: true, gone: true}
		return sight{}, true
	case e == nil && (!s.ends.IsZero() && !now.Before(s.ends) || s.lessFor(now)):
		*s = seen{any: true, rev: s.rev, gone: true, lost: s.ends.IsZero()}
		return sight{rev: s.rev}, true
	case e != nil && (s.lost || s.lessFor(now)):
		*s = seen{}
		return sight{err: state.ErrSetBack}, true
	}
	return sight{}, false
}

// take takes a record if it is newer.
func (s *seen) take(e state.Entry, now time.Time) (sight, bool) {
	before := *s
	*s = seen{any: true, rev: e.Rev, gone: e.Err == nil && (e.Record == nil || e.Record.Deleted)}
	if e.TTL > 0 && !s.gone {
		// The end is counted from now, so it does not move if the wall clock is set. If the store still shows what has
		// ended by this clock, the store's clock is another one.
		left := e.TTL
		if byStore := e.Time.Add(e.TTL).Sub(now); !e.Time.IsZero() && byStore > 0 {
			left = min(left, byStore)
		}
		s.ends = now.Add(left)
	}
	return sight{e.Rev, e.Record, e.Err}, !(before.any && before.gone && s.gone)
}

// lessFor reports whether the store has shown an older state for longer than any replica is behind.
func (s *seen) lessFor(now time.Time) bool {
	if s.less.IsZero() {
		s.less = now
	}
	return now.Sub(s.less) >= watchEvery
}

// unsure reports whether the next look may show a state that no hint has told.
func (s *seen) unsure(now time.Time) bool {
	return !s.less.IsZero() || !s.ends.IsZero() && !now.Before(s.ends)
}

// next returns when to look again: when a look is due, or when the state's TTL ends.
func (s *seen) next(due time.Time) time.Time {
	if now := time.Now(); s.ends.After(now) && s.ends.Before(due) {
		return s.ends
	}
	return due
}
