// Work on shards, one thing after the other for each

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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

// tasks is the work on shards, one task after the other for each.
type tasks struct {
	work *sync.WaitGroup
	last map[uint32]chan struct{} // by shard: closed when its last task has ended
}

// then runs f when all earlier tasks of the shard have ended.
func (t tasks) then(shard uint32, f func()) {
	before, ended := t.last[shard], make(chan struct{})
	t.last[shard] = ended
	t.work.Go(func() { // ends with f
		if before != nil {
			<-before
		}
		f()
		close(ended)
	})
}

// held is a shard that the node holds in an epoch.
type held struct {
	*standing.Standing
	shard  Shard                 // set by the task that opens it, read by later tasks of the shard
	opened atomic.Pointer[Shard] // the same, for the coordinator's goroutine
	stop   context.CancelFunc
	ctx    context.Context // ends when the shard is to be opened no more
}

// holds are the shards that an incarnation holds. Their tasks may outlast it.
type holds struct {
	in      *incarnation
	c       *Coordinator
	shards  map[uint32]*held
	failing atomic.Pointer[failing] // why shards cannot be subscribed
}

// open begins to serve a shard.
func (s *holds) open(e ownership.Open) {
	h := &held{Standing: standing.New(s.in.self.Ref.Name, e.Shard, e.Epoch, s.in.lease)}
	h.ctx, h.stop = context.WithCancel(s.in.ctx)
	s.shards[e.Shard] = h
	s.c.tasks.then(e.Shard, func() {
		if s.openNow(h) {
			s.c.opts.Node.Opened(e.Why, e.Paused) // the record's: what clstr drain says too
			s.c.inbox.post(s.in, ownership.Opened{Shard: e.Shard, Epoch: e.Epoch})
		}
	})
}

// openNow tries until the shard is served, and reports whether it is.
func (s *holds) openNow(h *held) bool {
	for h.ctx.Err() == nil {
		shard, err := s.c.opts.Node.Open(h.ctx, h.Standing)
		if err == nil {
			h.shard = shard
			h.opened.Store(&shard)
			s.failing.Store(nil)
			return true
		}
		if h.ctx.Err() != nil {
			break
		}
		s.failing.CompareAndSwap(nil, &failing{time.Now(), err})
		s.c.log.Warn("cannot subscribe a shard: trying again", sparse.Shard(h.Shard), slog.Any("error", err))
		pause(h.ctx, openRetry)
	}
	return false
}

// reopenAfter is how long a node waits before it opens a shard again whose state another has
// opened: the records say soon if that is the next owner.
const reopenAfter = time.Second

// deposed ends a shard whose state another has opened. If the records go on saying that the shard
// is this node's, a tool has taken the state, or an owner that they do not know: then the
// node opens the shard again.
func (s *holds) deposed(at *standing.Standing) {
	h := s.shards[at.Shard]
	if h == nil || h.Standing != at {
		return
	}
	h.stop()
	again := &held{Standing: standing.New(s.in.self.Ref.Name, at.Shard, at.Epoch, s.in.lease)}
	again.ctx, again.stop = context.WithCancel(s.in.ctx)
	s.shards[at.Shard] = again
	s.c.tasks.then(at.Shard, func() {
		if s.dropNow(h) {
			s.close(h) // now: the next subscription has its subject
		}
		pause(again.ctx, reopenAfter)
		if s.openNow(again) {
			s.c.inbox.post(s.in, ownership.Opened{Shard: again.Shard, Epoch: again.Epoch}) // it may be the first
		}
	})
}

// drain ends the service of a shard that moves: calls that have started come to their
// end. Calls that are left at the timeout are cut off and logged.
func (s *holds) drain(h *held, final bool) {
	h.Move(time.Now().Add(s.c.opts.DrainTimeout), final)
	if final { // the stop hooks of others may ask its keys: it is opened first, if it can be
		time.AfterFunc(finalOpen, h.stop)
	} else {
		h.stop()
	}
	s.c.tasks.then(h.Shard, func() {
		var counts outcome.DrainCounts
		if h.shard != nil {
			var err error
			counts, err = h.shard.Drain(s.in.ctx)
			h.Lose()
			err = s.countCut(h.Shard, err)
			if err != nil {
				s.c.log.Error("a shard moves although some of its calls or hooks still run", sparse.Shard(h.Shard), slog.Any("error", err))
				if s.in.leaving.Load() {
					s.c.unended.add(fmt.Errorf("shard %d: %w", h.Shard, err))
				}
			}
			if counts.Lost > 0 {
				s.c.log.Error("calls were lost as their shard moved", sparse.Shard(h.Shard), slog.Uint64("lost", uint64(counts.Lost)))
			}
			s.c.work.Go(func() { s.close(h) }) // ends with the shard's handlers, or soon after their timeout
		}
		h.stop()
		if h.shard == nil && final {
			s.c.opts.Node.NotServed(h.Shard)
		}
		s.c.inbox.post(s.in, ownership.Closed{Shard: h.Shard, Epoch: h.Epoch, Cost: counts})
	})
}

// countCut takes from the error of a drain the number of keys that were cut off, logs it in one
// line, and returns the rest of the error.
func (s *holds) countCut(shard uint32, err error) error {
	var cut CutOff
	if !errors.As(err, &cut) {
		return err
	}
	s.c.log.Error("stop hooks were cut off as their shard moved", sparse.Shard(shard), slog.Int("keys", int(cut)))
	if s.in.leaving.Load() {
		s.c.unended.addCut(int(cut))
	}
	if _, only := err.(CutOff); only {
		return nil
	}
	return err
}

// close ends a shard that moves: the network refuses its calls from here on.
func (s *holds) close(h *held) {
	s.c.moved.Store(new(time.Now()))
	if err := h.shard.Close(); err != nil {
		s.c.log.Warn("ending a shard's subscription failed", sparse.Shard(h.Shard), slog.Any("error", err))
	}
}

// drop ends the service of a shard that belongs to another node already.
func (s *holds) drop(shard uint32, h *held) {
	h.Lose()
	h.stop()
	delete(s.shards, shard)
	s.c.tasks.then(shard, func() {
		if s.dropNow(h) {
			s.c.work.Go(func() { s.close(h) }) // ends as in drain
		}
	})
}

// dropNow ends what runs of a shard that is another's, and reports whether it was ever opened.
func (s *holds) dropNow(h *held) bool {
	if h.shard == nil {
		s.c.opts.Node.NotServed(h.Shard) // others may wait for it
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.in.ctx), s.c.opts.DrainTimeout)
	defer cancel()
	if err := h.shard.Drop(ctx); err != nil {
		s.c.log.Error("calls or hooks of a shard that was lost still run", sparse.Shard(h.Shard), slog.Any("error", err))
	}
	return true
}
