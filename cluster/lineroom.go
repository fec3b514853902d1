// How many notifications to a key go out together, as its refusals have taught

package cluster

import (
	"errors"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// pace is what a line knows of the room at its key. The window's mu guards it.
//
// It has no limit until the key refuses a notification as overloaded. Then notifications go out in groups. The first group is one
// notification, and each that is accepted makes the next group larger. After the next refusal a group is what the
// key has taken since the one before. So few go out in vain, however slow the key is.
type pace struct {
	most   int           // that are out together; 0 is no limit
	taken  int           // accepted since the last refusal
	inside int           // notifications of the line that are in the window
	room   chan struct{} // closed when there is room for more; nil while no sender waits
}

// quick is how many a key takes in a group that has no limit any more: as many as a mailbox holds by default.
const quick = 1024

// fewest is how many notifications to a key may be in the window in any case.
const fewest = 16

// share returns how many notifications of the line may be in the window: a quarter of it, so that other keys have the
// rest. While the key has no room, these are one group that is out, one behind it, and a few. window is how many the
// window holds. -1 is no limit, of the window and of what share returns.
func (l *line) share(window int) int {
	most := -1
	if window >= 0 {
		most = max(fewest, window/4)
	}
	if few := fewest + 2*l.most; l.most > 0 && (most < 0 || few < most) {
		return few
	}
	return most
}

// lets reports whether one more may go out.
func (l *line) lets() bool { return l.most == 0 || l.out < l.most }

// stands reports whether the line waits for room at its key.
func (l *line) stands() bool { return l.held && l.most > 0 }

// full returns a channel that is closed when the line has room for one more; nil if it has.
func (l *line) full(window int) <-chan struct{} {
	if share := l.share(window); share < 0 || l.inside < share {
		return nil
	}
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.room
}

// left is called when one of the line has left the window.
func (l *line) left(window int) {
	l.inside--
	if l.room == nil {
		return
	}
	if share := l.share(window); share < 0 || l.inside <= share*3/4 {
		close(l.room)
		l.room = nil
	}
}

// grow is called when the key has accepted one.
func (l *line) grow() {
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

// errFull is told in a turn instead of waiting.
func errFull() error {
	return outcome.Overloaded(dispatch.RetryHint, "notifications to the key wait for room, and a handler does not wait behind them").WithOutcome(NotSent)
}
