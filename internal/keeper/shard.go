// shard: carries out what its core wants

package keeper

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/state"
)

// shard is one opening of a shard. Nothing of it runs while it has nothing to do.
type shard struct {
	opts Options
	asks *sync.WaitGroup // the keeper's
	ctx  context.Context // ends when the shard is dropped
	end  context.CancelFunc

	mu      sync.Mutex
	core    *core
	queue   []effect
	working bool          // a goroutine carries effects out
	tasks   int           // openings and looks under way
	changed chan struct{} // closed when those that wait may look again; nil: none waits
	timer   *time.Timer
}

func newShard(k *Keeper, id uint32, o state.Owner) *shard {
	s := &shard{opts: k.opts, asks: &k.asks, core: newCore(id, o)}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// atOnce is how many effects one caller carries out for others before a goroutine takes over.
const atOnce = 64

// tell tells the core of something, and carries out what the core wants, in order. If another
// goroutine, or a caller further up this stack, is already doing that, tell leaves it to them.
func (s *shard) tell(what func(*core)) {
	s.mu.Lock()
	what(s.core)
	s.queue = append(s.queue, s.core.take()...)
	if s.working {
		s.mu.Unlock()
		return
	}
	s.working = true
	s.mu.Unlock()
	if !s.work(atOnce) {
		s.goOn()
	}
}

// goOn carries out what is left.
func (s *shard) goOn() {
	go func() { // ends when nothing is to be done; Close waits for it
		for !s.work(atOnce) {
		}
	}()
}

// work carries out effects, and reports whether it is done.
func (s *shard) work(most int) bool {
	for range most {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.queue, s.working = nil, false
			s.wake()
			s.mu.Unlock()
			return true
		}
		e := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.carryOut(e)
	}
	return false
}

// wake makes goroutines that wait look again. The lock must be held.
func (s *shard) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// until waits for a condition, which it asks under the lock.
func (s *shard) until(ctx context.Context, met func() bool) error {
	for {
		s.mu.Lock()
		if met() {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *shard) carryOut(e effect) {
	switch e := e.(type) {
	case send:
		o, try := e.op, e.try // what waits for the store holds no copy of the change
		s.send(e.change, func(rev state.Rev, err error) {
			s.tell(func(c *core) { c.committed(o, try, rev, err) })
		})
	case answer:
		e.done(e.rev, e.err)
	case fence:
		s.start(func(ctx context.Context) {
			token, err := sparse.Ask(ctx, s.opts.Log, theStore, func(ctx context.Context) (state.Token, error) {
				return s.opts.Store.Open(ctx, s.core.shard, s.core.owner, e.held)
			})
			s.tell(func(c *core) { c.opened(e.id, token, err) })
		})
	case look:
		s.start(func(ctx context.Context) {
			f, err := sparse.Ask(ctx, s.opts.Log, theStore, func(ctx context.Context) (found, error) { return s.find(ctx, e) })
			s.tell(func(c *core) { c.looked(e.op, e.token, f.there, f.rev, err) })
		})
	case pause:
		s.mu.Lock()
		why := s.core.why
		s.timer = time.AfterFunc(backOff(e.failed), func() { s.tell((*core).again) })
		s.mu.Unlock()
		s.opts.Trouble(s.core.shard, why)
	case poison:
		s.opts.Log.Error("the store of state fails with each try of a change: the change is given up, and other keys of the shard go on", sparse.Entity(e.kind, s.core.shard, e.key), slog.Any("error", e.err))
	case gone:
		s.opts.Lost(s.core.shard, s.core.owner, e.err)
	case moved:
		s.mu.Lock()
		s.wake()
		s.mu.Unlock()
	}
}

func (s *shard) commit(c state.Change, done func(state.Rev, error)) {
	s.tell(func(core *core) { core.commit(c, done) })
}

// wait returns the token as soon as the shard is open.
func (s *shard) wait(ctx context.Context) (token state.Token, err error) {
	ended := s.until(ctx, func() bool {
		c := s.core
		switch {
		case c.status == open:
			token = c.token
		case c.status == lost:
			err = c.why
		case c.why != nil:
			err = fmt.Errorf("%w: %w", ErrNoStore, c.why)
		default:
			return false
		}
		return true
	})
	return token, cmp.Or(err, ended)
}

// idle waits until nothing waits or is under way.
func (s *shard) idle(ctx context.Context) error {
	n := 0
	if err := s.until(ctx, func() bool { n = s.core.ops.n; return n == 0 }); err != nil {
		return fmt.Errorf("%d changes of shard %d wait for the store: %w", n, s.core.shard, err)
	}
	return nil
}

// drop ends the shard.
func (s *shard) drop() {
	s.tell((*core).drop)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// restTime bounds the wait for what ends by itself. Only a store that blocks in Commit takes so long.
const restTime = 5 * time.Second

// rest waits until nothing of a dropped shard runs.
func (s *shard) rest() error {
	ctx, cancel := context.WithTimeout(context.Background(), restTime)
	defer cancel()
	if err := s.until(ctx, func() bool { return s.tasks == 0 && !s.working }); err != nil {
		return fmt.Errorf("%s go on after the end of shard %d: %w", theStore, s.core.shard, err)
	}
	return nil
}
