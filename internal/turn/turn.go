// Turns that wait for calls

// Package turn knows the turns that wait for calls.
//
// A turn is one run of a key's code: the handling of a message, or a hook. A
// request names the turns that wait for it, the nearest first. So its target can
// see that it would wait for itself, and a draining shard can see that it would wait
// for a call that it refuses. Nodes do not believe these names. A turn has a number that only
// nodes ever see, and before a node does something for one of its own turns, it looks
// the number up here.
//
// Numbers are kept for the process, not for a node: no two turns have the same.
// All functions are safe for concurrent use.
package turn

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

const (
	// Most is how many of the turns that wait for a call matter; beyond them a
	// chain forgets where it began.
	Most = 16
	// MaxName is how many bytes of a kind, and of a key, a turn is known by.
	MaxName = 64
)

// Role says what a turn is.
type Role uint8

// The roles. They are part of the wire format: add, never change.
const (
	Key    Role = iota // a message's, or that of a hook other than a stop hook
	Stop               // a stop hook's: OnPassivate
	Func               // a plain func's, beside which others of its key may run
	Ending             // a stop hook's of a key whose shard ends: what it asks is served there
	Last               // the same of a key that such a stop hook has woken: it wakes none
)

// Turn is one that waits for calls, or has. One that came by a wire has only its
// exported fields.
type Turn struct {
	Shard  uint32
	Role   Role
	Number uint64 // no other turn's; 0 only of what After makes
	Kind   string // of the key, at most MaxName bytes of it
	Key    string // the same
	By     *Turn  // the next of those that wait for the same; nil if none does

	own *state // nil for one that came by a wire
}

// state is what changes of a turn of this process.
type state struct {
	mu     sync.Mutex
	over   bool
	free   bool      // no turn waits for it any more: see Answered
	ends   bool      // it is a stop hook's, whose shard has begun to end meanwhile
	serves Role      // Stop, Ending or Last: it handles what such a stop hook has told its key
	told   int       // over so many notifications
	waits  []uint32  // the shards of the calls that it waits for now
	few    [2]uint32 // the room of waits
	asked  Asked     // with By
}

// New makes a turn of this process that waits for calls. End ends it.
func New(shard uint32, role Role, kind, key string, by *Turn) *Turn {
	own := &struct {
		Turn
		state
	}{Turn: Turn{Shard: shard, Role: role, Number: number(), Kind: cut(kind), Key: cut(key), By: by}}
	t := &own.Turn
	t.own, own.waits = &own.state, own.few[:0]
	t.know()
	return t
}

// number draws a number that cannot be guessed from others.
func number() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}

// cut keeps no long string alive.
func cut(name string) string {
	if len(name) > MaxName {
		return strings.Clone(name[:MaxName])
	}
	return name
}

// End says that the turn is over: a goroutine that goes on with its context waits for
// itself alone. Such a goroutine may say it too, at the same moment.
func (t *Turn) End() {
	t.own.mu.Lock()
	was := t.own.over
	t.own.over = true
	t.own.mu.Unlock()
	if !was {
		t.forget()
	}
}

// Wait says that the turn, one of this process, waits for a call to shard.
func (t *Turn) Wait(shard uint32) {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	t.own.waits = append(t.own.waits, shard)
}

// Waited is the end of a Wait.
func (t *Turn) Waited(shard uint32) {
	s := t.own
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waits, shard); i >= 0 {
		s.waits = slices.Delete(s.waits, i, i+1)
	}
}

// IsHere reports whether t is a turn of this process. Any client can claim that others wait. t may be nil.
func (t *Turn) IsHere() bool { return t != nil && t.own != nil }

// Answered says that the caller of the turn has its answer, or has gone, while the turn may go on.
func (t *Turn) Answered() {
	t.own.mu.Lock()
	t.own.free = true
	t.own.mu.Unlock()
}

// Asking returns t with the turns that wait for what t asks now. Once t was answered, no turn does. t may be nil.
func (t *Turn) Asking() *Turn {
	if t == nil || t.By == nil {
		return t
	}
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	if !t.own.free {
		return t
	}
	alone := *t
	alone.By = nil
	return &alone
}

// HoldsUp reports whether the turn, one of this process, does not end before a call that it waits for. A turn that was
// answered may end before: the call may be one of a goroutine that goes on because it has heard of the answer. So such a
// turn is in no circle.
func (t *Turn) HoldsUp() bool {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	return !t.own.over && !t.own.free && len(t.own.waits) > 0
}

func (t *Turn) waitsNow() bool {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	return !t.own.over && len(t.own.waits) > 0
}

// Asks returns the shards of the calls that the turn, one of this process, waits for now,
// each once; none where it is over.
func (t *Turn) Asks() []uint32 {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	if t.own.over {
		return nil
	}
	shards := slices.Clone(t.own.waits)
	slices.Sort(shards)
	return slices.Compact(shards)
}

// ShardEnds says that the shard of a hook's turn has begun to end: what the hook asks is
// served like what a stop hook asks, because the shard waits for both.
func (t *Turn) ShardEnds() {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	t.own.ends = true
}

// Serves says that the turn handles a notification of a stop hook of the given role,
// which has come by way of so many.
func (t *Turn) Serves(role Role, told int) {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	t.own.serves, t.own.told = role, told
}

// After returns t behind the memory of a stop hook that does not wait for what it has sent, and may be
// over by now. told is how many notifications lie between. t may be nil.
func (t *Turn) After(role Role, told int) *Turn {
	return &Turn{By: t, own: &state{serves: role, told: told, waits: []uint32{0}}}
}

// stops returns the role of the stop hook that the turn is, or works for: Stop if the hook's
// shard does not end, Key if there is no such hook. The given shard counts as one that
// ends. told is how many notifications lie between, and waits whether the turn waits for a
// call now.
func (t *Turn) stops(shard uint32) (role Role, told int, waits bool) {
	s := t.own
	s.mu.Lock()
	defer s.mu.Unlock()
	waits = !s.over && len(s.waits) > 0
	switch {
	case t.Role == Ending, t.Role == Last:
		return t.Role, 0, waits
	case t.Role == Stop && (s.ends || t.Shard == shard):
		return Ending, 0, waits
	case t.Role == Stop:
		return Stop, 0, waits
	case s.ends: // another hook's, which its shard waits for
		return Ending, 0, waits
	case s.serves != Key && s.told <= Most:
		return s.serves, s.told, waits
	}
	return Key, 0, waits
}

// Stops reports whether the turn, one of this process, is a stop hook's, or handles what
// such a one has told its key.
func (t *Turn) Stops() bool {
	role, _, _ := t.stops(t.Shard)
	return role != Key
}

// Find returns the turn of the number among t and those that wait for it. t may be
// nil.
func (t *Turn) Find(number uint64) *Turn {
	for t := range t.Line() {
		if t.Number == number {
			return t
		}
	}
	return nil
}

// Line yields t and those that wait for it, at most [Most] of them. t may be nil.
func (t *Turn) Line() iter.Seq[*Turn] {
	return func(yield func(*Turn) bool) {
		for n := 0; t != nil && n < Most && yield(t); n++ {
			t = t.By
		}
	}
}

// Circle returns the turns from the one of the number to t. Each asks the next.
func (t *Turn) Circle(number uint64) (circle []*Turn) {
	for t := range t.Line() {
		circle = append(circle, t)
		if t.Number == number {
			break
		}
	}
	slices.Reverse(circle)
	return circle
}

// Asks names turns that stand in a circle: each asks the next, and the last asks the first.
func Asks(circle []*Turn) string {
	var names strings.Builder
	for _, t := range circle {
		names.WriteString(t.String() + " asks ")
	}
	return names.String() + circle[0].String()
}

// String names the turn as people know it.
func (t *Turn) String() string {
	what := ""
	if t.Role == Stop || t.Role == Ending || t.Role == Last {
		what = "the stop hook of "
	}
	switch {
	case t.Key == "":
		return fmt.Sprintf("%sshard %d", what, t.Shard)
	case t.Kind == "":
		return fmt.Sprintf("%skey %q", what, t.Key)
	}
	return fmt.Sprintf("%s%q key %q", what, t.Kind, t.Key)
}

// MakerKey is the key under which the context of a hook has its [Maker].
type MakerKey struct{}

// Maker makes the turn of a context.
type Maker interface {
	// Asks returns the turn, made when first asked for; nil where it is over.
	Asks() *Turn
}
