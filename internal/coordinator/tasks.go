// Work on shards, one thing after the other for each

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
)

// How long a shard that cannot be subscribed waits for the next try.
const openRetry = 250 * time.Millisecond

// How long the last node waits for a shard to be subscribed before it ends it.
const finalOpen = time.Second

// line runs f when all earlier tasks of the shard have ended.
func (c *Coordinator) line(shard uint32, f func()) {
	before, ended := c.lines[shard], make(chan struct{})
	c.lines[shard] = ended
	c.work.Go(func() { // ends with f
		if before != nil {
			<-before
		}
		f()
		close(ended)
	})
}

// open begins to serve a shard.
func (l *life) open(e ownership.Open) {
	h := &held{Standing: standing.New(l.self.Ref.Name, e.Shard, e.Epoch, l.lease)}
	h.ctx, h.stop = context.WithCancel(l.ctx)
	l.guards[e.Shard] = h
	l.c.line(e.Shard, func() {
		for h.ctx.Err() == nil {
			shard, err := l.c.opts.Node.Open(h.ctx, h.Standing)
			if err == nil {
				h.shard = shard
				h.opened.Store(&shard)
				l.failing.Store(nil)
				l.c.opts.Node.Opened(e.Why, e.Paused) // the record's: what clstr drain says too
				l.c.inbox.post(l, ownership.Opened{Shard: e.Shard, Epoch: e.Epoch})
				return
			}
			if h.ctx.Err() != nil {
				return
			}
			l.failing.CompareAndSwap(nil, &failing{time.Now(), err})
			l.c.log.Warn("shard is not subscribed", sparse.Shard(e.Shard), slog.Any("error", err))
			pause(h.ctx, openRetry)
		}
	})
}

// drain ends the service of a shard that moves: what has started comes to its
// end. What is left at the timeout is cut off and logged.
func (l *life) drain(h *held, final bool) {
	h.Move(final)
	if final { // the stop hooks of others may ask its keys: it is opened first, if it can be
		time.AfterFunc(finalOpen, h.stop)
	} else {
		h.stop()
	}
	l.c.line(h.Shard, func() {
		var counts outcome.DrainCounts
		if h.shard != nil {
			ctx, cancel := context.WithTimeout(l.ctx, l.c.opts.DrainTimeout)
			var err error
			counts, err = h.shard.Drain(ctx)
			cancel()
			h.Lose()
			err = l.countCut(h.Shard, err)
			if err != nil {
				l.c.log.Error("shard moves although something of it still runs", sparse.Shard(h.Shard), slog.Any("error", err))
				if l.leaving.Load() {
					l.c.report(fmt.Errorf("shard %d: %w", h.Shard, err))
				}
			}
			if counts.Lost > 0 {
				l.c.log.Error("calls were lost as their shard moved", sparse.Shard(h.Shard), slog.Uint64("lost", uint64(counts.Lost)))
			}
			l.c.work.Go(func() { l.c.linger(h) }) // ends after Options.Linger
		}
		h.stop()
		if h.shard == nil && final {
			l.c.opts.Node.NotServed(h.Shard)
		}
		l.c.inbox.post(l, ownership.Closed{Shard: h.Shard, Epoch: h.Epoch, Cost: counts})
	})
}

// CutOff is an error about so many keys whose stop hooks were cut off, so that what they
// would save may be lost.
type CutOff int

// Error implements error.
func (n CutOff) Error() string { return fmt.Sprintf("the stop hooks of %d keys were cut off", int(n)) }

// countCut takes from the error of a drain the keys that were cut off, which one line
// tells, and returns the rest.
func (l *life) countCut(shard uint32, err error) error {
	var cut CutOff
	if !errors.As(err, &cut) {
		return err
	}
	l.c.log.Error("stop hooks were cut off as their shard moved", sparse.Shard(shard), slog.Int("keys", int(cut)))
	if l.leaving.Load() {
		l.c.mu.Lock()
		l.c.cut += int(cut)
		l.c.mu.Unlock()
	}
	if _, only := err.(CutOff); only {
		return nil
	}
	return err
}

// linger answers callers who have not heard that the shard has moved.
func (c *Coordinator) linger(h *held) {
	if c.opts.Linger > 0 {
		time.Sleep(c.opts.Linger) // also where the node has left meanwhile
	}
	if err := h.shard.Close(); err != nil {
		c.log.Warn("shard's subscription has not ended well", sparse.Shard(h.Shard), slog.Any("error", err))
	}
}

// drop ends the service of a shard that is another's already.
func (l *life) drop(shard uint32, h *held) {
	h.Lose()
	h.stop()
	delete(l.guards, shard)
	l.c.line(shard, func() {
		if h.shard == nil {
			l.c.opts.Node.NotServed(shard) // others may wait for it
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.c.opts.DrainTimeout)
		defer cancel()
		if err := h.shard.Drop(ctx); err != nil {
			l.c.log.Error("something of a shard that was lost still runs", sparse.Shard(shard), slog.Any("error", err))
		}
		l.c.work.Go(func() { l.c.linger(h) }) // ends after Options.Linger
	})
}
