// One incarnation: what the core wants, done at the store

package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
)

// life is one incarnation. All but its tasks runs on the coordinator's goroutine.
type life struct {
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
	settled    atomic.Bool
	wanted     atomic.Int64 // how many shards the node should serve

	reached time.Time // when requests could last reach the node
	away    bool      // it leaves because they cannot
	records records
	deaf    error // it leaves because of that

	ctx context.Context // ends with the incarnation
	end context.CancelFunc
}

// held is a shard that the node holds in an epoch.
type held struct {
	*standing.Standing
	shard  Shard                 // set by the task that opens it, read by later tasks of the shard
	opened atomic.Pointer[Shard] // the same, for the coordinator's goroutine
	stop   context.CancelFunc
	ctx    context.Context // ends when the shard is to be opened no more
}

func (l *life) begin() {
	l.ctx, l.end = context.WithCancel(l.c.stays)
	l.c.opts.Node.Begins()
	l.c.lives.Store(l)
}

// over ends the incarnation: it may serve nothing any more.
func (l *life) over() {
	l.c.lives.Store(nil)
	l.lease.End()
	for shard, h := range l.holds.guards {
		l.holds.drop(shard, h)
	}
	l.end()
}

func (l *life) hear(p posted) {
	switch {
	case p.deposed != nil:
		l.holds.deposed(p.deposed)
	case p.life == nil || p.life == l:
		l.step(p.event)
	}
}

func (l *life) step(e ownership.Event) {
	effects := l.core.Step(time.Since(l.start), e)
	var final []uint32
	for _, eff := range effects {
		if c, ok := eff.(ownership.Close); ok && c.Final {
			final = append(final, c.Shard)
		}
	}
	if len(final) > 0 {
		l.c.opts.Node.Final(final)
	}
	for _, eff := range effects {
		l.do(eff)
	}
	l.wanted.Store(int64(l.core.Wanted()))
}

func (l *life) do(e ownership.Effect) {
	log := l.c.log
	switch e := e.(type) {
	case ownership.Write:
		if e.Op == 0 {
			l.entrust(e)
			return
		}
		own := e.Key == record.MemberKey(l.self.Ref)
		if own {
			l.remember(time.Now())
		}
		l.operate(e.Op, own, opTimeout, func(ctx context.Context) (r ownership.Result, err error) {
			r.Rev, err = l.c.opts.Store.Write(ctx, e.Key, e.Rev, e.Value)
			return r, err
		})
	case ownership.Read:
		l.operate(e.Op, e.Key == record.MemberKey(l.self.Ref), opTimeout, func(ctx context.Context) (ownership.Result, error) {
			entry, err := l.c.opts.Store.Read(ctx, e.Key)
			return ownership.Result{Entries: []membership.Entry{entry}}, err
		})
	case ownership.Snapshot:
		timeout := opTimeout + time.Duration(l.self.Layout.NumShards)*perRecord
		l.operate(e.Op, false, timeout, func(ctx context.Context) (r ownership.Result, err error) {
			r.Entries, r.AsOf, err = l.c.opts.Store.Snapshot(ctx, e.Prefix)
			return r, err
		})
	case ownership.Lease:
		wasLapsed := l.lease.Lapsed()
		l.lease.Extend(l.start.Add(e.Until), l.walls[e.Sent].Add(e.Until-e.Sent))
		if wasLapsed {
			l.resumed()
		}
		l.lapse.Reset(e.Until - time.Since(l.start))
		if l.c.born == 0 {
			l.c.born = l.core.Born()
		}
		for sent := range l.walls {
			if sent <= e.Sent {
				delete(l.walls, sent)
			}
		}
	case ownership.Open:
		l.holds.open(e)
	case ownership.Close:
		if h := l.holds.guards[e.Shard]; h != nil && h.Epoch == e.Epoch {
			if e.Drain {
				l.holds.drain(h, e.Final)
			} else {
				l.holds.drop(e.Shard, h)
			}
		}
	case ownership.Route:
		l.c.opts.Node.Route(e.Shard, e.Record)
	case ownership.Moved:
		delete(l.holds.guards, e.Shard)
		log.Debug("shard handed over", sparse.Shard(e.Shard), slog.Uint64("epoch", e.Epoch), slog.String("to", e.To.String()))
	case ownership.Joined:
		log.Info("joined the cluster", slog.String("incarnation", l.self.Incarnation))
	case ownership.Settled:
		l.settle()
	case ownership.Gone:
		l.gone = &e
	case ownership.Spoiled:
		l.records.spoil(l.c.log, l.self.Ref, e)
	case ownership.Overwritten:
		l.records.overwritten(l.c.log, e.Err)
	case ownership.Superseded:
		l.superseded = e.By
		log.Warn("a newer process with this node's name has come; this one hands over its shards and leaves", slog.String("by", e.By.String()))
	case ownership.Foreign:
		l.foreign = l.c.others.foreign(e.By, e.Kinds)
	case ownership.Mended:
		log.Warn("a shard's record was gone or not readable: this node has written it anew", sparse.Shard(e.Shard), slog.Uint64("epoch", e.Record.Count), slog.String("owner", e.Record.Owner.String()))
	case ownership.Rebased:
		if e.Missing {
			log.Warn("the cluster's configuration was gone, not readable or of another layout: this node has written it again")
		} else {
			log.Warn("the store of members has forgotten epochs, because it was restored from a backup or made anew: all shards get higher epochs", slog.Uint64("base", e.Base))
		}
	case ownership.StoreGone:
		log.Error("the store of members is gone: this node serves nothing once its lease has ended, makes the store anew when all leases have ended, and joins again", slog.Any("error", l.c.Health().Store))
	case ownership.Declared:
		log.Warn("declared a node dead: it has not renewed its lease", slog.String("member", e.Member.String()))
	case ownership.Reconnect:
		log.Warn("the store of members does not answer the renewals of this node's lease")
		if r, ok := l.c.opts.Store.(membership.ConnectionStore); ok {
			l.c.work.Go(r.Reconnect)
		}
	}
}

// entrust does a write that no task waits for, even if the incarnation has ended.
func (l *life) entrust(e ownership.Write) {
	l.c.work.Go(func() { // ends with its timeout
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), opTimeout)
		defer cancel()
		if _, err := l.c.opts.Store.Write(ctx, e.Key, e.Rev, e.Value); err != nil {
			l.c.log.Warn("could not write that this incarnation has ended: other nodes notice when its lease ends", slog.Any("error", err))
		}
	})
}

// remember notes the wall clock's time of a renewal that is sent now. A renewal that is
// older than a lease extends nothing any more.
func (l *life) remember(now time.Time) {
	sent := l.core.Now()
	for before := range l.walls {
		if before < sent-l.self.Timing.Lease {
			delete(l.walls, before)
		}
	}
	l.walls[sent] = now.Round(0)
}

// operate does an operation on the store beside the core. The number of operations at once is
// bounded, but those on the node's own record never wait for others.
func (l *life) operate(op uint64, own bool, timeout time.Duration, f func(context.Context) (ownership.Result, error)) {
	l.c.work.Go(func() { // ends with its timeout
		if !own {
			select {
			case l.c.ops <- struct{}{}:
				defer func() { <-l.c.ops }()
			case <-l.ctx.Done():
			}
		}
		ctx, cancel := context.WithTimeout(l.ctx, timeout)
		r, err := f(ctx)
		cancel()
		if own && l.ctx.Err() == nil {
			l.c.answers.took(err)
		}
		r.Op = op
		switch {
		case errors.Is(err, membership.ErrConflict):
			r.Status = ownership.Conflict
		case errors.Is(err, membership.ErrNoRecords):
			r.Status = ownership.NoStore
		case err != nil:
			r.Status = ownership.Unknown
		}
		l.c.inbox.post(l, r)
	})
}

// settle is called once by each incarnation's core.
func (l *life) settle() {
	l.settled.Store(true)
	if !l.c.settled {
		l.c.settled = true
		l.c.opts.Node.Settled()
	}
}
