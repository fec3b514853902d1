// One incarnation: its loop, and when it must leave or stop serving

package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// live runs one incarnation of the node. over is false if the node must join
// again, because others have declared it dead.
func (c *Coordinator) live(ctx context.Context) (over bool, err error) {
	self := c.opts.Self
	self.Incarnation, self.Base, self.Past = newIncarnation(), c.agreement.base, c.agreement.past
	if self.Past.Lost { // others may have been in later epochs, and none was above the time in microseconds
		self.Past.Epoch = max(self.Past.Epoch, min(uint64(max(0, time.Now().UnixMicro())), record.MaxEpoch/2))
	}
	core, err := ownership.NewCore(self)
	if err != nil {
		return true, err
	}
	l := &life{c: c, core: core, self: core.Self(), start: time.Now(), lease: standing.NewLease(), walls: map[time.Duration]time.Time{}, reached: time.Now(), lapse: time.NewTimer(time.Hour)}
	l.holds = holds{l: l, c: c, guards: map[uint32]*held{}}
	l.begin()
	defer l.over()
	defer func() { c.agreement.past = core.Past() }()
	c.inbox.clear()
	ticker := time.NewTicker(ownership.TickEvery)
	defer ticker.Stop()
	defer l.lapse.Stop()
	l.step(ownership.Tick{})
	asked := ctx.Done()
	for l.gone == nil {
		select {
		case <-c.inbox.signal:
			for _, e := range c.inbox.take() {
				if l.gone == nil {
					l.hear(e)
				}
			}
		case <-ticker.C:
			l.step(ownership.Tick{})
			l.leaveIfDeaf()
			if l.core.Leaving() && l.giveUp == nil { // superseded, or asked by an operator
				l.leave()
			}
		case <-l.lapse.C:
			l.checkLease()
		case <-asked:
			asked = nil
			l.leave()
		case <-l.giveUp:
			if left := time.Until(l.leaveBy); left > 0 && (len(l.holds.guards) > 0 || l.core.Stays()) { // handed over to us meanwhile, or to be
				l.giveUp = time.After(left)
				continue
			}
			return !l.away || ctx.Err() != nil, l.gaveUp()
		}
	}
	switch {
	case !l.superseded.IsZero():
		return true, membership.ErrSuperseded
	case l.gone.State == record.Dead && l.gone.By == self.Ref:
		return false, nil // its record was spoiled, which was said
	case l.gone.State == record.Dead:
		c.log.Warn("this node was declared dead and joins again", slog.String("incarnation", self.Incarnation), slog.String("by", l.gone.By.String()))
		return false, nil
	case l.gone.State == ownership.Lost:
		c.born, c.agreement.waited = 0, l.gone.Unleased // of another store
		c.log.Warn("the store of members does not know this node any more; the node joins again", slog.String("incarnation", self.Incarnation))
		return false, nil
	case l.foreign != nil:
		return true, l.foreign
	case l.deaf != nil:
		return true, l.deaf
	case l.away:
		return false, nil
	case ctx.Err() == nil:
		c.log.Info("left the cluster because an operator has asked this node to")
	}
	return true, nil
}

// sayTimeout is how long a node without shards tries to tell the store that it
// leaves. Other nodes also notice when its lease ends.
const sayTimeout = 3 * time.Second

// leave begins to hand over and go.
func (l *life) leave() {
	if l.giveUp == nil {
		most := l.c.opts.StopTimeout
		l.leaveBy = time.Now().Add(most)
		if len(l.holds.guards) == 0 {
			most = min(most, sayTimeout)
		}
		l.giveUp = time.After(most)
	}
	l.leaving.Store(true)
	l.step(ownership.Leave{Wait: l.stayFor()})
}

// stayFor is how long the last of several nodes that leave waits for the shards of the others. Its
// own shards must end in the time that is left.
func (l *life) stayFor() time.Duration {
	return max(l.c.opts.StopTimeout-l.c.opts.DrainTimeout, l.c.opts.StopTimeout/2)
}

// gaveUp is the end of a leave that the store has not confirmed in time.
func (l *life) gaveUp() (err error) {
	if n := len(l.holds.guards); n > 0 {
		err = outcome.Errorf(outcome.ErrHandlerTimeout, "node %s: left %d shards without a hand-over after %v", l.self.Name, n, l.c.opts.StopTimeout)
	} else {
		l.c.log.Warn("the store of members does not answer: this node owns no shard, and leaves without telling the store")
	}
	if !l.superseded.IsZero() {
		err = errors.Join(membership.ErrSuperseded, err)
	}
	return errors.Join(l.foreign, err)
}

// leaveIfDeaf leaves when requests have not reached the node for the length of a lease, because it
// must not hold shards that it cannot serve. A node without a connection joins again later. A node
// that may not subscribe ends.
func (l *life) leaveIfDeaf() {
	if l.leaving.Load() || l.gone != nil {
		return
	}
	now, lease := time.Now(), l.self.Timing.Lease
	if l.c.opts.Node.Reachable() {
		l.reached = now
	}
	switch failing := l.holds.failing.Load(); {
	case now.Sub(l.reached) > lease:
		l.away = true
		l.c.log.Error("requests cannot reach this node: it hands over its shards, leaves, and joins again when they can")
	case failing != nil && now.Sub(failing.since) > lease:
		l.deaf = outcome.Annotate(failing.err, "shards could not be subscribed for "+lease.String())
		l.c.log.Error("shards cannot be subscribed: this node leaves", slog.Any("error", failing.err))
	default:
		return
	}
	l.leave()
}

// failing is since when no shard could be subscribed, and why.
type failing struct {
	since time.Time
	err   error
}

// checkLease is called when the lease should have ended.
func (l *life) checkLease() {
	if l.lease.Valid(time.Now()) {
		return // it was renewed at the same moment
	}
	l.lease.Lapse()
	l.c.log.Warn("this node's lease has ended: the node serves nothing until the lease is renewed")
	for _, h := range l.holds.guards {
		if s := h.opened.Load(); s != nil {
			(*s).Lapse()
		}
	}
}

// resumed is called when a lease that had ended was renewed.
func (l *life) resumed() {
	l.c.log.Info("this node's lease is renewed: it serves again")
}
