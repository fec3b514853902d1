// One incarnation: its loop, and when it must leave or stop serving

package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// incarnation is one life of the node. All but its tasks runs on the coordinator's goroutine.
type incarnation struct {
	c     *Coordinator
	core  *ownership.Core
	self  ownership.Self
	start time.Time
	lease *standing.Lease

	walls      map[time.Duration]time.Time // by the moment at which a renewal was sent: the other clock's
	holds      holds
	gone       *ownership.Gone
	superseded record.Ref
	foreign    error            // it leaves because the cluster is another service's
	lapse      *time.Timer      // fires when the lease has ended
	giveUp     <-chan time.Time // ends the wait for a leave; nil before one
	leaveBy    time.Time        // the latest end of that wait
	leaving    atomic.Bool
	stays      atomic.Bool  // it waits for the shards of others that leave
	held       atomic.Int64 // how many shards it holds
	settled    atomic.Bool
	wanted     atomic.Int64 // how many shards the node should serve
	died       atomic.Pointer[died]

	reached time.Time // when requests could last reach the node
	away    bool      // it leaves because they cannot
	records records
	deaf    error // it leaves because of that
	refused atomic.Pointer[failing]

	ctx context.Context // ends with the incarnation
	end context.CancelFunc
}

func (in *incarnation) begin() {
	in.ctx, in.end = context.WithCancel(in.c.stays)
	in.c.opts.Node.Begins()
	in.c.current.Store(in)
	in.c.log.Info("joining the cluster: the node takes shards when others have seen it", slog.String("incarnation", in.self.Incarnation))
}

// over ends the incarnation: it may serve nothing any more.
func (in *incarnation) over() {
	in.c.current.Store(nil)
	in.lease.End()
	for shard, h := range in.holds.shards {
		in.holds.drop(shard, h)
	}
	in.end()
	in.c.reaching.forget()
}

// live runs one incarnation of the node. over is false if the node must join
// again, because others have declared it dead.
func (c *Coordinator) live(ctx context.Context) (over bool, err error) {
	self := c.opts.Self
	self.Incarnation, self.Base, self.Past = newIncarnation(c.opts.Address), c.agreement.base, c.agreement.past
	if self.Past.Lost { // others may have been in later epochs, and none was above the time in microseconds
		self.Past.Epoch = max(self.Past.Epoch, min(uint64(max(0, time.Now().UnixMicro())), record.MaxEpoch/2))
	}
	core, err := ownership.NewCore(self)
	if err != nil {
		return true, err
	}
	in := &incarnation{c: c, core: core, self: core.Self(), start: time.Now(), lease: standing.NewLease(), walls: map[time.Duration]time.Time{}, reached: time.Now(), lapse: time.NewTimer(time.Hour)}
	in.holds = holds{in: in, c: c, shards: map[uint32]*held{}}
	in.begin()
	defer in.over()
	defer func() { c.agreement.past = core.Past() }()
	c.inbox.clear()
	ticker := time.NewTicker(ownership.TickEvery)
	defer ticker.Stop()
	defer in.lapse.Stop()
	in.step(ownership.Tick{})
	asked := ctx.Done()
	for in.gone == nil {
		select {
		case <-c.inbox.signal:
			for _, e := range c.inbox.take() {
				if in.gone == nil {
					in.hear(e)
				}
			}
		case <-ticker.C:
			in.listen()
			in.askOthers()
			in.step(ownership.Tick{})
			in.leaveIfDeaf()
			if in.core.Leaving() && in.giveUp == nil { // superseded, or asked by an operator
				in.leave()
			}
		case <-in.lapse.C:
			in.checkLease()
		case <-asked:
			asked = nil
			in.leave()
		case <-in.giveUp:
			if left := time.Until(in.leaveBy); left > 0 && (len(in.holds.shards) > 0 || in.core.Stays()) { // handed over to us meanwhile, or to be
				in.giveUp = time.After(left)
				continue
			}
			return !in.away || ctx.Err() != nil, in.gaveUp()
		}
	}
	switch {
	case !in.superseded.IsZero():
		return true, membership.ErrSuperseded
	case in.gone.State == record.Dead && in.gone.By == self.Ref:
		return false, nil // its record was spoiled, which was said
	case in.gone.State == record.Dead:
		c.log.Warn("this node was declared dead and joins again", slog.String("incarnation", self.Incarnation), slog.String("by", in.gone.By.String()))
		return false, nil
	case in.gone.State == ownership.Lost:
		c.born, c.agreement.waited = 0, in.gone.Unleased // of another store
		c.log.Warn("the store of members does not know this node any more; the node joins again", slog.String("incarnation", self.Incarnation))
		return false, nil
	case in.foreign != nil:
		return true, in.foreign
	case in.deaf != nil:
		return true, in.deaf
	case in.away:
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
func (in *incarnation) leave() {
	if in.giveUp == nil {
		most := in.c.opts.StopTimeout
		in.leaveBy = time.Now().Add(most)
		if len(in.holds.shards) == 0 {
			most = min(most, sayTimeout)
		}
		in.giveUp = time.After(most)
		in.c.log.Info("node drains", slog.Int("shards", len(in.holds.shards)))
	}
	in.leaving.Store(true)
	in.step(ownership.Leave{Wait: in.stayFor()})
}

// stayFor is how long the last of several nodes that leave waits for the shards of the others. Its
// own shards must end in the time that is left.
func (in *incarnation) stayFor() time.Duration {
	return max(in.c.opts.StopTimeout-in.c.opts.DrainTimeout, in.c.opts.StopTimeout/2)
}

// gaveUp is the end of a leave that the store has not confirmed in time.
func (in *incarnation) gaveUp() (err error) {
	if n := len(in.holds.shards); n > 0 {
		err = outcome.Errorf(outcome.ErrHandlerTimeout, "node %s: left %d shards without a hand-over after %v", in.self.Name, n, in.c.opts.StopTimeout)
	} else {
		in.c.log.Warn("the store of members does not answer: this node owns no shard, and leaves without telling the store")
	}
	if !in.superseded.IsZero() {
		err = errors.Join(membership.ErrSuperseded, err)
	}
	return errors.Join(in.foreign, err)
}

// leaveIfDeaf leaves when requests have not reached the node for the length of a lease, because it
// must not hold shards that it cannot serve. A node without a connection joins again later. A node
// that may not subscribe ends. A node that does not reach its store either keeps its shards, without a lease:
// it could not hand them over, and the server that carries both may be away for all nodes.
func (in *incarnation) leaveIfDeaf() {
	if in.leaving.Load() || in.gone != nil {
		return
	}
	now, lease := time.Now(), in.self.Timing.Lease
	if in.c.opts.Node.Reachable() && in.c.hearing.hears() || in.c.answers.last() != nil {
		in.reached = now
	}
	switch failing := in.failing(now); {
	case now.Sub(in.reached) > lease:
		in.away = true
		in.c.log.Error("requests cannot reach this node: it hands over its shards, leaves, and joins again when they can")
	case failing != nil && now.Sub(failing.since) > lease:
		in.deaf = outcome.Annotate(failing.err, "shards could not be subscribed for "+lease.String())
		in.c.log.Error("shards cannot be subscribed: this node leaves", slog.Any("error", failing.err))
	default:
		return
	}
	in.leave()
}

// listen finds out whether requests reach the node, and tells the core.
func (in *incarnation) listen() {
	h := &in.c.hearing
	if in.gone != nil || !h.look(time.Now(), in.self.Timing.Renew) {
		return
	}
	deaf := h.deaf.Load()
	if deaf {
		in.c.log.Error("requests do not reach this node: it stops renewing its lease until they do")
	} else {
		in.c.log.Info("requests reach this node again")
	}
	in.step(ownership.Deaf{Deaf: deaf})
}

// askOthers asks members whether the node reaches them, if that is due. A node that nothing reaches does not
// ask, because no answer could come.
func (in *incarnation) askOthers() {
	r := &in.c.reaching
	if in.gone != nil || !r.due(time.Now(), in.self.Timing.Renew) || !in.c.hearing.hears() {
		return
	}
	for _, p := range r.peers(in.core, in.self.Layout.NumShards) {
		in.c.work.Go(func() { r.ask(in.ctx, p) }) // ends with its timeout
	}
}

// failing returns why shards cannot be subscribed, or why earlier subscriptions no longer hold; nil if all is well.
func (in *incarnation) failing(now time.Time) *failing {
	if f := in.holds.failing.Load(); f != nil || in.c.hearing.hearer == nil {
		return f
	}
	err := in.c.hearing.hearer.Refused()
	switch {
	case err == nil:
		in.refused.Store(nil)
	case in.refused.CompareAndSwap(nil, &failing{now, err}):
		in.c.log.Error("the server sends this node no requests any more", slog.Any("error", err))
	}
	return in.refused.Load()
}

// failing is since when no shard could be subscribed, and why.
type failing struct {
	since time.Time
	err   error
}

// checkLease is called when the lease should have ended.
func (in *incarnation) checkLease() {
	if in.lease.Valid(time.Now()) {
		return // it was renewed at the same moment
	}
	in.lease.Lapse()
	in.c.log.Warn("this node's lease has ended: the node serves nothing until the lease is renewed")
	for _, h := range in.holds.shards {
		if s := h.opened.Load(); s != nil {
			(*s).Lapse()
		}
	}
}

// resumed is called when a lease that had ended was renewed.
func (in *incarnation) resumed() {
	in.c.log.Info("this node's lease is renewed: it serves again")
}
