// Memory of values that are over, which is used again

package plain

import (
	"reflect"
	"sync"
	"sync/atomic"
)

// Use is what a copy is made for. Messages come back when their calls are over ([Value.Free]), and replies only from callers that
// take them as values ([Taken]).
type Use uint8

const (
	Message Use = iota
	Reply
)

// boxes are values that nothing refers to any more, and that are zero.
type boxes struct {
	pool sync.Pool
	any  atomic.Bool // there was one once: to look for one in vain takes longer than to make it
}

// get returns a pointer to a zero value; nil if there is none.
func (b *boxes) get() any {
	if !b.any.Load() {
		return nil
	}
	return b.pool.Get()
}

// put makes the value zero, so that no code can see it, and that what it refers to is not kept in memory.
func (b *boxes) put(p any) {
	reflect.ValueOf(p).Elem().SetZero()
	if !b.any.Load() {
		b.any.Store(true)
	}
	b.pool.Put(p)
}

// Free gives a message's memory back, if the value is the only one that has it. Nothing may use the value, or a copy of the
// Value, afterwards.
func (v *Value) Free() {
	if v.of != nil {
		free(v)
	}
}

func free(v *Value) { // so that Free is inlined, for calls that carry no value
	if v.of.reuse && !v.kept {
		v.of.boxes[Message].put(v.p)
	}
}

// Taken returns what p points to, and gives the memory back. p is a reply that only its caller has. t is what is known of M; nil if
// the memory may be known to other code.
func Taken[M any](t *Type, p *M) M {
	m := *p
	if t != nil && reflect.TypeFor[M]() == t.of && t.reuse && t.clone == nil {
		t.boxes[Reply].put(p)
	}
	return m
}
