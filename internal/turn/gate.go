// Gate: the uses of a call by code that has its context, and may have kept it

package turn

import (
	"context"
	"math"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// Gate counts the uses of a call by code that has its context, and may have kept it. When the turn is over and no
// use goes on, the gate is shut, because from then on the call may be another.
//
// A context that users see embeds its gate. So a gate has no exported methods.
type Gate struct{ state atomic.Int32 }

const (
	gateShut = math.MinInt32 / 2
	gateGone = 1 << 29 // code of the message, its reply or its error has ended its goroutine
)

// Enter begins a use. It returns false if the gate is shut.
func Enter(g *Gate) bool {
	if g.state.Add(1) < 0 {
		Leave(g)
		return false
	}
	return true
}

// Leave ends a use.
func Leave(g *Gate) { g.state.Add(-1) }

// Shut shuts the gate, unless a use goes on or a goroutine was ended.
func Shut(g *Gate) bool { return g.state.CompareAndSwap(0, gateShut) }

// Goes notes that the message's own code has ended its goroutine.
func Goes(g *Gate) { g.state.Or(gateGone) }

// IsGone reports whether the message's own code has ended its goroutine.
func IsGone(g *Gate) bool { return g.state.Load()&gateGone != 0 }

// GateKey finds the [Gate] of a context. A context made from one with a gate leads to it too.
type GateKey struct{}

// LentKey finds the call of a context whose gate the caller has entered. The call must not be used when the caller has
// left the gate.
type LentKey struct{}

// GateOf returns the gate that ctx leads to; nil for none. If ctx is itself the context of a turn, and was not
// made from one, itself is true.
func GateOf(ctx context.Context) (g *Gate, itself bool) {
	if g = OwnGate(ctx); g != nil {
		return g, true
	}
	g, _ = ctx.Value(GateKey{}).(*Gate)
	return g, false
}

// OwnGate returns the gate of a context that is itself the context of a turn; nil for any other. A user's struct around
// such a context has its methods too, and may have others in their place. So the gate is the first field of a turn's
// context, and a context is its own if it points to its gate.
func OwnGate(ctx context.Context) *Gate {
	if has, ok := ctx.(interface{ gate() *Gate }); ok {
		g, v := has.gate(), reflect.ValueOf(ctx)
		if v.Kind() == reflect.Pointer && v.UnsafePointer() == unsafe.Pointer(g) {
			return g
		}
	}
	return nil
}

func (g *Gate) gate() *Gate { return g }

// InsideKey finds out whether a context is a turn's, or was made from one.
type InsideKey struct{}

// Inside reports whether ctx is the context of a handler or a hook, or was made from one. If it is not, no other key of this
// package finds anything. Each look at a context walks through all that was put around it, so a call asks this first.
func Inside(ctx context.Context) bool { return ctx.Value(InsideKey{}) != nil }
