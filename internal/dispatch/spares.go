// The calls of this process that are over, and their deadlines

package dispatch

import (
	"sync"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/transport"
)

// mostSpare is how many calls that are over are kept.
const mostSpare = 16 << 10

// spares has the calls of senders in this process that are over. Each keeps its entry in the clock. Nearly every call ends
// long before its deadline, so the entry is not moved for each. When the clock comes to a call that has more time, or is
// over, it looks again when that time is up, or at the next use.
type spares struct {
	mu    sync.Mutex
	calls []*local
}

// get returns nil if there is none.
func (s *spares) get() (l *local) {
	s.mu.Lock()
	if n := len(s.calls) - 1; n >= 0 {
		l, s.calls[n] = s.calls[n], nil
		s.calls = s.calls[:n]
	}
	s.mu.Unlock()
	return l
}

// put returns false if there are enough.
func (s *spares) put(l *local) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == mostSpare {
		return false
	}
	s.calls = append(s.calls, l)
	return true
}

// clear drops all calls. The clock has found one that was not used for long, so the others are left of a peak.
func (s *spares) clear(clock *expiry.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.calls {
		clock.Remove(&l.node)
	}
	s.calls = nil
}

// Reuse implements [Reuser]. The clock may look at the call meanwhile: it sees bits and due.
func (l *local) Reuse() {
	l.due.Store(0)
	l.env, l.replier, l.sub = transport.Envelope{}, nil, nil
	l.decision.ended, l.err, l.more = not, nil, nil
	l.until, l.runUntil, l.fresh, l.byTTL = 0, 0, false, false
	l.by, l.self = nil, nil
	l.slot, l.kept = pool.Held{}, nil
	l.cargo, l.data = cargo{}, nil
	l.bits.Store(0)
	if !l.d.spare.put(l) {
		l.d.clock.Remove(&l.node)
	}
}

// endAt has the clock end the call at a moment.
func (l *local) endAt(moment int64) {
	l.due.Store(moment)
	l.lookBy(moment)
}

// lookBy has the clock look at the call by a moment that due had. If due is nearer by now, its entry may have become this one.
func (l *local) lookBy(moment int64) {
	l.d.clock.By(&l.node, l, moment)
	for due := l.due.Load(); due != 0 && due < moment; due = l.due.Load() {
		l.d.clock.By(&l.node, l, due)
		moment = due
	}
	if l.bits.Load()&bitClosed != 0 { // at the same moment
		l.d.clock.Remove(&l.node)
	}
}

// Expire implements [expiry.Expirer]: the clock looks whether the call's time is up. From here on the call is not used again.
// If the call was given back already, it is closed, and there is nothing to do. Or it is another call by now, and due is that call's.
func (l *local) Expire() {
	if l.bits.Or(bitKept)&bitClosed != 0 {
		return
	}
	switch due := l.due.Load(); {
	case due == 0:
		l.d.spare.clear(&l.d.clock)
	case due > expiry.Now():
		l.lookBy(due)
	default:
		l.Call.Expire()
	}
}
