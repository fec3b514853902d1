// Calls in line that wait for themselves by way of chains that cross

package dispatch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// A call that stands in line may wait for itself by way of chains that cross: X asks A,
// which asks B, while Y asks B, which asks A. When the call arrives, no turn that waits for it runs
// there. So after a while a probe follows what the turn before the call
// waits for, call by call. A circle does not end by itself, and its calls stay in line
// as long as it lasts. So the probe of any of them finds it, at once or later.
const (
	probeAfter = 250 * time.Millisecond // and twice as long after each probe
	probeMost  = 4 * time.Second
)

// circleReach is how far a probe goes.
var circleReach = reach{turns: 256, hops: turn.Most}

// probe is when a call in line is looked at.
type probe struct {
	expiry.Node
	c     *Call
	pause time.Duration // that has passed then
}

// probeIn probes for c after a while, unless it has left its place by then.
func probeIn(pause time.Duration, c *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.more
	if m.place == nil {
		return
	}
	if m.probe == nil {
		m.probe = &probe{c: c}
	}
	m.probe.pause = pause
	c.sub.d.clock.Add(&m.probe.Node, m.probe, expiry.Now()+int64(pause))
}

// Expire implements [expiry.Expirer].
func (p *probe) Expire() {
	if !p.c.sub.d.asking.begin(p.run) {
		p.again()
	}
}

func (p *probe) again() { probeIn(min(2*p.pause, probeMost), p.c) }

// run follows what the turn before the call waits for, and refuses the call if that is one
// of those that wait for it.
func (p *probe) run(ctx context.Context) {
	c := p.c
	c.mu.Lock()
	place := c.more.place
	c.mu.Unlock()
	if place == nil {
		return
	}
	defer p.again()
	before := place.Running()
	if before == nil || !before.HoldsUp() {
		return
	}
	line := c.Waiting()
	var home *found
	c.sub.d.asking.search(ctx, here([]*Turn{before}), circleReach, func(f *found) bool {
		if line.Find(f.Number) != nil {
			home = f
		}
		return home != nil
	})
	if home == nil || place.Running() != before || !before.HoldsUp() {
		return
	}
	circle := line.Circle(home.Number)
	n := len(circle)
	for f := home.from; f != nil; f = f.from {
		circle = append(circle, f.Turn)
	}
	slices.Reverse(circle[n:])
	// All calls of a circle that stand in line may find it at one moment, and one is
	// enough: the one of the highest number goes first.
	first := slices.MaxFunc(circle, func(a, b *Turn) int { return cmp.Compare(a.Number, b.Number) })
	if p.pause > probeAfter || first.Number == line.Number {
		if old, ok := c.change(0, bitStarted|bitAnswered, bitAnswered); ok {
			c.conclude(old, nil, outcome.Errorf(outcome.ErrCircle, "%s", turn.Asks(circle)), done)
		}
	}
}
