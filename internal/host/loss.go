// The keys that end with what is not stored, in one line

package host

import (
	"log/slog"
	"sync"
	"time"
)

// loss is why a key ends without storing its state. Either its stop hook does not run, because another node may own
// the key by now and may have loaded its state, or the store does not take the state.
type loss uint8

const (
	unlost   loss = iota // its hook runs
	byLease              // the node's lease on the shard has ended
	byTheEnd             // the wait for the shard's keys, or the node's, was over
	byStore              // the store has refused the newest state of a write-behind key
	lossKinds
)

func (l loss) String() string {
	switch l {
	case byLease:
		return "the node's lease has ended"
	case byStore:
		return "the store did not take their states in time"
	}
	return "the wait for their end was over"
}

// lossOf returns why a key that ends now must not save its state.
func lossOf(c *cell) loss {
	switch {
	case c.shard.lapsed():
		return byLease
	case c.mailbox.stands().end == cutOff, c.shard.host.life.Err() != nil:
		return byTheEnd
	}
	return unlost
}

// losses counts the keys that end without their stop hooks, and logs them in one line for
// all keys of a kind, because they all have the same reason.
type losses struct {
	log *slog.Logger

	mu    sync.Mutex
	all   [lossKinds]lost
	timer *time.Timer
}

// lost is keys.
type lost struct {
	keys  int
	cut   int   // of those, how many had begun their stop hooks
	cause error // with which the first of these has failed
}

// lossesAfter is how long the log line waits for further keys.
const lossesAfter = time.Second

// key counts one key. cut says whether its stop hook had begun, and err is that hook's error.
func (l *losses) key(why loss, cut bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := &l.all[why]
	of.keys++
	if cut {
		of.cut++
	}
	if of.cause == nil {
		of.cause = err
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(lossesAfter, l.tell)
	}
}

// tell writes what has been counted.
func (l *losses) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return // told before
	}
	l.timer.Stop()
	l.timer = nil
	for why, of := range l.all {
		if of.keys == 0 {
			continue
		}
		attrs := []any{slog.Any("why", loss(why)), slog.Int("keys", of.keys), slog.Int("stop_hooks_cut_off", of.cut)}
		if of.cause != nil {
			attrs = append(attrs, slog.Any("first", of.cause))
		}
		if loss(why) == byStore {
			l.log.Warn("the newest states of write-behind keys were lost", attrs...)
		} else {
			l.log.Warn("keys were lost: another node may own them, so their stop hooks were not run", attrs...)
		}
		l.all[why] = lost{}
	}
}
