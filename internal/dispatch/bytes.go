// The bounds on the bytes of accepted calls, of a node and of a key

package dispatch

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/outcome"
)

// Defaults of [Lifetime.LimitBytes].
const (
	DefaultMaxInFlightBytes = 256 << 20
	DefaultMaxBytesPerKey   = 16 << 20
)

// load counts the calls of a node that were accepted and have not finished, and their bytes.
type load struct {
	busy     atomic.Int64 // calls, but those whose handlers wait for others; not counted without a limit
	bytes    atomic.Int64 // beside busy, because both change together
	mostBusy int64        // not positive is no limit

	mostBytes, mostOfKey int64 // the same, of bytes
}

// LimitInFlight bounds how many calls, of all shards together, may be accepted
// and not yet finished; more are refused with [outcome.ErrOverloaded]. A handler that
// waits for a request of its own, made with its context, does not count. It must
// be called before the lifetime is used; a number that is not positive is no
// limit, which is the default.
func (l *load) LimitInFlight(most int) { l.mostBusy = int64(most) }

// count counts so many more calls in flight, and returns how many there are.
func (l *load) count(more int64) int64 {
	if l.mostBusy <= 0 {
		return 0
	}
	return l.busy.Add(more)
}

// LimitBytes bounds how many bytes the calls may hold that a node has accepted and
// not finished: of all its shards together, and of one key. Payload, key, ID and headers
// count, and what else may be large: each header as 96 bytes more, the turns that wait
// for a call from another process, and the type, kind and reply subject beyond 128 bytes. What
// a call takes beside that, about a kilobyte, is bounded by the number of calls. What comes beyond it is
// refused with [outcome.ErrOverloaded]; one message is always taken, however large it is.
// A number that is not positive is no limit. Without it the defaults hold. It must be
// called before the lifetime is used.
//
// Requests of running handlers may take as much again, because handlers that hold all of the
// node's bound could not end otherwise. Messages smaller than 1/8,192
// of a key's bound do not count as the key's, because their number is bounded.
func (l *load) LimitBytes(node, key int) { l.mostBytes, l.mostOfKey = int64(node), int64(key) }

const (
	headerBytes = 96  // what a header takes beside its text
	turnBytes   = 96  // what a turn takes beside its names
	namesBytes  = 128 // of type, kind and reply subject, which most calls share or which are short
)

// weight is the memory of its node that a call holds: the memory of its envelope, and of the
// turns that wait for it.
type weight struct {
	turns
	bytes int64 // while it is in flight. Atomic, except where no other code knows the call
}

// size is the memory of its node that the call holds, beyond what every call holds. The
// turns of a caller in this process count as that caller's.
func (w *weight) size() int64 {
	e := &w.env
	n := len(e.Data) + len(e.Key) + len(e.ID) + len(e.Headers)*headerBytes + max(0, len(e.Type)+len(e.Kind)+len(e.ReplyTo)-namesBytes)
	if c := w.carries(); c != nil {
		n += c.message.Size()
	}
	if len(e.Headers) > 0 { // to range over no map takes its time, too
		for name, value := range e.Headers {
			n += len(name) + len(value)
		}
	}
	if w.has(bitFar) {
		for t := range w.by.Line() {
			n += turnBytes + len(t.Kind) + len(t.Key)
		}
	}
	return int64(n)
}

// keyID is a key of a node.
type keyID struct{ kind, key string }

// keyBytes has, for each key, the bytes of its calls in a shard. Most calls are
// small and do not count.
type keyBytes struct {
	mu   sync.Mutex
	held peakmap.Map[keyID, int64]
}

// take returns how many bytes the key holds with n bytes more, and takes them if ok. It always
// takes them if most is not positive.
func (k *keyBytes) take(id keyID, n, most int64) (held int64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	held, _ = k.held.Get(id)
	held += n
	if most > 0 && held > most && held != n {
		return held, false
	}
	k.held.Set(id, held)
	return held, true
}

func (k *keyBytes) give(id keyID, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held, _ := k.held.Get(id); held != n {
		k.held.Set(id, held-n)
	} else {
		k.held.Delete(id)
	}
}

// Weigh counts the call's bytes as the key's, until it has finished. A [Receiver]
// that knows keys calls it before it queues the call, once; an error refuses it.
func (w *weight) Weigh(key string) *outcome.Error {
	most, n := w.sub.life.mostOfKey, atomic.LoadInt64(&w.bytes)
	if most <= 0 || n <= most>>13 || key == "" {
		return nil
	}
	if w.bits.Load()&bitPart != 0 { // the call that it is nested in was weighed
		most = 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != not {
		return nil // it has finished, or is about to
	}
	id := keyID{w.env.Kind, key}
	if held, ok := w.sub.keys.take(id, n, most); !ok {
		return outcome.Overloaded(RetryHint, "key %.64q has %d bytes of calls in flight: at most %d allowed", key, held-n, most)
	}
	w.rest().key = &id
	w.bits.Or(bitWeighed)
	return nil
}

// nestIn says that the handler of another call of the subscription makes this call. It
// returns true if that handler runs: then the room that it was admitted with counts for both.
func (w *weight) nestIn(from *weight) (part bool) {
	b := bitNested
	if part = from.runs(); part {
		b |= bitPart
		from.lend(atomic.LoadInt64(&w.bytes))
	}
	if w.env.Key == from.env.Key && w.env.Shard == from.env.Shard {
		b |= bitSameKey
	}
	w.bits.Or(b)
	return part
}

// giveBack gives back the room that a finished call holds. One that never began may lie in
// a line for long yet: only its payload goes at once.
func (w *weight) giveBack() {
	s := w.sub
	if s.standing.Leased() && !w.AwaitsReply() {
		s.counts.uncount(&w.arrival)
	}
	s.life.count(-1)
	if w.bits.Load()&(bitLast|bitKept|bitWeighed) == bitLast { // no handler can make a call that is nested in this one
		s.life.bytes.Add(-w.bytes)
		w.bytes = 0
	} else {
		w.lend(math.MaxInt64)
	}
	if w.bits.Load()&bitStarted == 0 {
		w.mu.Lock()
		w.env.Data, w.env.Headers = nil, nil
		if c := w.carries(); c != nil {
			c.message = plain.Value{}
		}
		w.mu.Unlock()
	}
	s.flight.land(s.standing)
}

// lend gives back at most so many of the bytes that the call holds, because the bytes of a nested
// call count once.
func (w *weight) lend(most int64) {
	for {
		held := atomic.LoadInt64(&w.bytes)
		n := min(held, most)
		if n == 0 {
			return
		}
		if !atomic.CompareAndSwapInt64(&w.bytes, held, held-n) {
			continue
		}
		w.sub.life.bytes.Add(-n)
		if w.bits.Load()&bitWeighed != 0 {
			w.mu.Lock()
			w.sub.keys.give(*w.more.key, n)
			w.mu.Unlock()
		}
		return
	}
}
