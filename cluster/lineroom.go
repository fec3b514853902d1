// How many notifications to a key go out together, as its refusals have taught

package cluster

import (
	"errors"
	"slices"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// pace is what a line knows of the room at its key. The window's mu guards it.
//
// It has no limit until the key refuses a notification as overloaded. Then notifications go out in groups. The first group is one
// notification, and each that is accepted makes the next group larger. After the next refusal a group is what the
// key has taken since the one before. So few go out in vain, however slow the key is.
type pace struct {
	most     int           // that are out together; 0 is no limit
	taken    int           // accepted since the last refusal
	from     [sorts]seats  // of the line
	standing chan struct{} // closed when the line begins to wait for room at its key; nil while no turn waits behind it
}

// quick is how many a key takes in a group that has no limit any more: as many as a mailbox holds by default.
const quick = 1024

// fewest is how many notifications to a key may be in the window in any case.
const fewest = 16

// share returns how many notifications of a sort of senders may be in the line: a quarter of the window, so that other keys have the
// rest. While the key has no room, these are one group that is out, one behind it, and a few. window is how many the
// window holds. -1 is no limit, of the window and of what share returns.
func (l *line) share(of, window int) int {
	most := -1
	if window >= 0 {
		most = max(fewest, window/4)
	}
	if few := fewest + 2*l.most; of == others && l.most > 0 && (most < 0 || few < most) {
		return few
	}
	return most
}

// lets reports whether one more may go out.
func (l *line) lets() bool { return l.most == 0 || l.out < l.most }

// stands reports whether the line waits for room at its key.
func (l *line) stands() bool { return l.held && l.most > 0 }

// full returns a channel that is closed when the line has room for one more; nil if it has.
func (l *line) full(of, window int) <-chan struct{} {
	if share := l.share(of, window); share < 0 || l.from[of].open < share {
		return nil
	}
	return l.from[of].wait()
}

// left is called when a note of the line has left the window.
func (l *line) left(n *note, window int) {
	from := &l.from[n.sort()]
	from.leave(n)
	if share := l.share(n.sort(), window); share < 0 || from.open <= share*3/4 {
		from.wake()
	}
}

// grow is called when the key has accepted one.
func (l *line) grow() {
	l.why = nil
	if l.most == 0 {
		return
	}
	l.taken++
	if l.most = max(l.most, l.taken); l.most >= quick {
		l.most, l.taken = 0, 0
	}
}

// shrink is called when the key has refused one as overloaded.
func (l *line) shrink() {
	switch {
	case l.most == 0:
		l.most = 1
	case l.taken > 0:
		l.most = l.taken
	}
	l.taken = 0
}

// waitsFor reports whether a message that was refused with err waits for room at its key, as long as it has time.
func (m *message) waitsFor(err error) bool {
	return m.line != nil && outcome.Of(err).NeverRan() && errors.Is(outer(err), ErrOverloaded)
}

// stood is called when the line may have begun to wait for room at its key. Turns do not wait behind it: stood takes their notes
// out of the queue and of the window, because the line may be over before they have been told, and wakes what follows the line.
func (l *line) stood(w *window) (ofTurns []*note) {
	if !l.stands() {
		return nil
	}
	if l.standing != nil {
		close(l.standing)
		l.standing = nil
	}
	if l.from[turns].open > 0 {
		l.queue = slices.DeleteFunc(l.queue, func(n *note) bool {
			if n.hasty {
				ofTurns = append(ofTurns, n)
			}
			return n.hasty
		})
	}
	for _, n := range ofTurns {
		w.free(n)
	}
	return ofTurns
}

// refuse ends notes of turns that would wait for room.
func refuse(ofTurns []*note) {
	if len(ofTurns) == 0 {
		return
	}
	defer refuse(ofTurns[1:]) // also where the metrics end the goroutine
	n, o := ofTurns[0], NotSent
	if n.refusal != nil {
		o = outcome.Of(n.refusal)
	}
	n.end(errFull(o))
}

// errFull is told in a turn instead of waiting.
func errFull(o Outcome) error {
	return outcome.Overloaded(dispatch.RetryHint, "notifications to the key wait for room, and a handler does not wait behind them").WithOutcome(o)
}
