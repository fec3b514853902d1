// What the core wants of an incarnation, done at the store and the node

package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/process"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
)

func (in *incarnation) hear(p posted) {
	switch {
	case p.deposed != nil:
		in.holds.deposed(p.deposed)
	case p.of == nil || p.of == in:
		in.step(p.event)
	}
}

func (in *incarnation) step(e ownership.Event) {
	effects := in.core.Step(time.Since(in.start), e)
	var final []uint32
	for _, eff := range effects {
		if c, ok := eff.(ownership.Close); ok && c.Final {
			final = append(final, c.Shard)
		}
	}
	if len(final) > 0 {
		in.c.opts.Node.Final(final)
	}
	for _, eff := range effects {
		in.do(eff)
	}
	in.wanted.Store(int64(in.core.Wanted()))
	in.held.Store(int64(len(in.holds.shards)))
	in.stays.Store(in.core.Stays())
}

func (in *incarnation) do(e ownership.Effect) {
	log := in.c.log
	switch e := e.(type) {
	case ownership.Write:
		if e.Op == 0 {
			in.entrust(e)
			return
		}
		own := e.Key == record.MemberKey(in.self.Ref)
		if own {
			in.remember(time.Now())
		}
		in.operate(e.Op, own, opTimeout, func(ctx context.Context) (r ownership.Result, err error) {
			r.Rev, err = in.c.store.write(ctx, e.Key, e.Rev, e.Value)
			return r, err
		})
	case ownership.Read:
		in.operate(e.Op, e.Key == record.MemberKey(in.self.Ref), opTimeout, func(ctx context.Context) (ownership.Result, error) {
			entry, err := in.c.store.read(ctx, e.Key)
			return ownership.Result{Entries: []membership.Entry{entry}}, err
		})
	case ownership.Snapshot:
		timeout := opTimeout + time.Duration(in.self.Layout.NumShards)*perRecord
		in.operate(e.Op, false, timeout, func(ctx context.Context) (ownership.Result, error) {
			s, err := in.c.store.snapshot(ctx, e.Prefix)
			return ownership.Result{Entries: s.entries, AsOf: s.asOf}, err
		})
	case ownership.Lease:
		wasLapsed := in.lease.Lapsed()
		in.lease.Extend(in.start.Add(e.Until), in.walls[e.Sent].Add(e.Until-e.Sent))
		if wasLapsed {
			in.resumed()
		}
		in.lapse.Reset(e.Until - time.Since(in.start))
		if in.c.born == 0 {
			in.c.born = in.core.Born()
		}
		for sent := range in.walls {
			if sent <= e.Sent {
				delete(in.walls, sent)
			}
		}
	case ownership.Open:
		in.holds.open(e)
	case ownership.Close:
		if h := in.holds.shards[e.Shard]; h != nil && h.Epoch == e.Epoch {
			if e.Drain {
				in.holds.drain(h, e.Final)
			} else {
				in.holds.drop(e.Shard, h)
			}
		}
	case ownership.Route:
		in.c.opts.Node.Route(e.Shard, e.Record)
	case ownership.Moved:
		delete(in.holds.shards, e.Shard)
		log.Debug("shard handed over", sparse.Shard(e.Shard), slog.Uint64("epoch", e.Epoch), slog.String("to", e.To.String()))
	case ownership.Waits:
		in.waits(e)
	case ownership.Joined:
		in.died.Store(nil)
		log.Info("joined the cluster", slog.String("incarnation", in.self.Incarnation))
	case ownership.Settled:
		in.noteSettled()
	case ownership.Gone:
		in.gone = &e
	case ownership.Spoiled:
		in.records.spoil(in.c.log, in.self.Ref, e)
	case ownership.Overwritten:
		in.records.overwritten(in.c.log, e.Err)
	case ownership.Superseded:
		in.superseded = e.By
		log.Warn("a newer process with this node's name has come; this one hands over its shards and leaves", slog.String("by", e.By.String()))
	case ownership.Foreign:
		in.foreign = in.c.others.foreign(e.By, e.Kinds)
	case ownership.Mended:
		log.Warn("a shard's record was gone or not readable: this node has written it anew", sparse.Shard(e.Shard), slog.Uint64("epoch", e.Record.Epoch), slog.String("owner", e.Record.Owner.String()))
	case ownership.Rebased:
		if e.Missing {
			log.Warn("the cluster's configuration was gone, not readable or of another layout: this node has written it again")
		} else {
			log.Warn("the store of members has forgotten epochs, because it was restored from a backup or made anew: all shards get higher epochs", slog.Uint64("base", e.Base))
		}
	case ownership.StoreGone:
		log.Error("the store of members is gone: this node serves nothing once its lease has ended, makes the store anew when all leases have ended, and joins again", slog.Any("error", in.c.Health().Store))
	case ownership.Examine:
		if process.Ended(e.Process) {
			in.c.inbox.post(in, ownership.Ended{Member: e.Member})
		}
	case ownership.Declared:
		if e.Ended {
			log.Info("the process of this node before this one has ended: taking over at once", slog.String("member", e.Member.String()))
		} else {
			log.Warn("declared a node dead: it has not renewed its lease", slog.String("member", e.Member.String()))
		}
	case ownership.Reconnect:
		log.Warn("the store of members does not answer the renewals of this node's lease")
		in.c.work.Go(in.c.store.reconnect) // ends when the store has let go of the connection
	}
}

// entrust does a write that no task waits for, even if the incarnation has ended.
func (in *incarnation) entrust(e ownership.Write) {
	in.c.work.Go(func() { // ends with its timeout
		ctx, cancel := context.WithTimeout(context.WithoutCancel(in.ctx), opTimeout)
		defer cancel()
		if _, err := in.c.store.write(ctx, e.Key, e.Rev, e.Value); err != nil {
			in.c.log.Warn("could not write that this incarnation has ended: other nodes notice when its lease ends", slog.Any("error", err))
		}
	})
}

// remember notes the wall clock's time of a renewal that is sent now. A renewal that is
// older than a lease extends nothing any more.
func (in *incarnation) remember(now time.Time) {
	sent := in.core.Now()
	for before := range in.walls {
		if before < sent-in.self.Timing.Lease {
			delete(in.walls, before)
		}
	}
	in.walls[sent] = now.Round(0)
}

// operate does an operation on the store beside the core. The number of operations at once is
// bounded, but those on the node's own record never wait for others.
func (in *incarnation) operate(op uint64, own bool, timeout time.Duration, f func(context.Context) (ownership.Result, error)) {
	in.c.work.Go(func() { // ends with its timeout
		if !own {
			select {
			case in.c.ops <- struct{}{}:
				defer func() { <-in.c.ops }()
			case <-in.ctx.Done():
			}
		}
		ctx, cancel := context.WithTimeout(in.ctx, timeout)
		r, err := f(ctx)
		cancel()
		if own && in.ctx.Err() == nil {
			in.c.answers.took(err)
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
		in.c.inbox.post(in, r)
	})
}

// noteSettled is called once by each incarnation's core.
func (in *incarnation) noteSettled() {
	in.settled.Store(true)
	in.c.log.Info("node is ready", slog.Int("shards", len(in.holds.shards)))
	if !in.c.settled {
		in.c.settled = true
		in.c.opts.Node.Settled()
	}
}

// waits notes and tells how long the node takes no shards.
func (in *incarnation) waits(e ownership.Waits) {
	in.c.log.Info("the node waits before it takes shards", slog.Duration("wait", e.For), slog.Int("recent_deaths", e.Deaths))
	if e.Deaths > 0 {
		in.died.Store(&died{e.Deaths, time.Now().Add(e.For)})
	}
}
