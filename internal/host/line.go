// line: answers that leave a durable key, in their order

package host

import "github.com/clstr-go/clstr/outcome"

// line is answers in their order.
type line struct{ first, last *gated }

func (l *line) add(g *gated) {
	if l.last == nil {
		l.first = g
	} else {
		l.last.next = g
	}
	l.last = g
}

// append adds another line, which is used no more.
func (l *line) append(m line) {
	switch {
	case m.first == nil:
	case l.last == nil:
		*l = m
	default:
		l.last.next, l.last = m.first, m.last
	}
}

// list returns the calls, even if more has been added behind them since.
func (l line) list() (calls []Call) {
	for g := l.first; ; g = g.next {
		calls = append(calls, g.Call)
		if g == l.last {
			return calls
		}
	}
}

// release lets all answers go. If why is not nil, each call gets it instead of its answer. It is
// called without a lock.
func (l line) release(why *outcome.Error) {
	for g := l.first; g != nil; {
		next := g.next
		g.next = nil
		g.leave(why)
		g = next
	}
}

// calls reports whether there is a call, and not only a goroutine that waits for the state to be stored.
func (l line) calls() bool {
	for g := l.first; g != nil; g = g.next {
		if _, waits := g.Call.(*stay); !waits {
			return true
		}
	}
	return false
}
