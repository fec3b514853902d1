// gate: the uses of a call by code that has kept its context

package host

import (
	"math"
	"sync/atomic"
)

// gate counts the uses of a call by code that has its context, and may have kept it. When the turn is over and no
// use goes on, the gate is shut, because from then on the call may be another.
type gate struct{ state atomic.Int32 }

const (
	gateShut = math.MinInt32 / 2
	gateGone = 1 << 29 // code of the message, its reply or its error has ended its goroutine
)

// enter begins a use. It returns false if the gate is shut.
func (g *gate) enter() bool {
	if g.state.Add(1) < 0 {
		g.leave()
		return false
	}
	return true
}

// leave ends a use.
func (g *gate) leave() { g.state.Add(-1) }

// shut shuts the gate, unless a use goes on or a goroutine was ended.
func (g *gate) shut() bool { return g.state.CompareAndSwap(0, gateShut) }

// goes notes that the message's own code has ended its goroutine.
func (g *gate) goes() { g.state.Or(gateGone) }

// isGone reports whether the message's own code has ended its goroutine.
func (g *gate) isGone() bool { return g.state.Load()&gateGone != 0 }
