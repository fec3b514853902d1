// Keeper: the shards of one node

package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/state"
)

// Options configures a keeper. Store is required.
type Options struct {
	Store state.Store
	// Lost is called with a shard that has another owner, as the store says. It must not block.
	Lost func(shard uint32, o state.Owner, err error)
	// Trouble is called with the error that keeps a shard from opening, before each new try. It
	// must not block.
	Trouble func(shard uint32, err error)
	Log     *slog.Logger
}

// Keeper keeps the shards of one node. Its methods are safe for concurrent use.
type Keeper struct {
	opts   Options
	asks   sync.WaitGroup // questions of all shards to the store, also of those that were dropped
	outage outage

	mu     sync.Mutex
	shards map[uint32]*shard
}

// New makes a keeper without shards.
func New(opts Options) *Keeper {
	if opts.Lost == nil {
		opts.Lost = func(uint32, state.Owner, error) {}
	}
	if opts.Trouble == nil {
		opts.Trouble = func(uint32, error) {}
	}
	opts.Log = sparse.New(opts.Log)
	return &Keeper{opts: opts, shards: map[uint32]*shard{}}
}

// Open begins to open a shard, and does not wait. It first drops the shard if it was open.
func (k *Keeper) Open(id uint32, o state.Owner) {
	s := newShard(k, id, o)
	k.mu.Lock()
	old := k.shards[id]
	k.shards[id] = s
	k.mu.Unlock()
	if old != nil {
		old.drop()
	}
	s.tell(func(*core) {}) // asks for the fence
}

func (k *Keeper) shard(id uint32) *shard {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shards[id]
}

// Commit stores a change of a shard that was opened, as [state.Store.Commit] does; the keeper sets
// its token. An error is one that [state.Refused] knows, or [ErrInDoubt], or [ErrNotOpen].
// After ErrNotOpen nothing was stored.
func (k *Keeper) Commit(id uint32, c state.Change, done func(state.Rev, error)) {
	s := k.shard(id)
	if s == nil {
		done(0, notOpen(id))
		return
	}
	s.commit(c, done)
}

// Read is the store's Read, with the token that the keeper holds. It waits for the fence until ctx
// ends. If the store fails, it tries again for 10 s, because the store's servers may just have another leader. If all
// reads have failed for 10 s, it does not wait. Then it returns [ErrNoStore].
func (k *Keeper) Read(ctx context.Context, id uint32, r state.Range) (es []state.Entry, more bool, err error) {
	s := k.shard(id)
	if s == nil {
		return nil, false, notOpen(id)
	}
	var failed time.Time // first
	for n := 0; ; n++ {
		es, more, err = k.read(ctx, s, r)
		switch {
		case err == nil:
			k.outage.over()
		case n == 0:
			failed = time.Now()
		}
		if !errors.Is(err, ErrNoStore) || !k.outage.waits(ctx, n, failed, err) {
			return es, more, err
		}
	}
}

func (k *Keeper) read(ctx context.Context, s *shard, r state.Range) (es []state.Entry, more bool, err error) {
	for {
		token, err := s.wait(ctx)
		if err != nil {
			return nil, false, err
		}
		es, more, err = k.opts.Store.Read(ctx, token, r)
		if !errors.Is(err, state.ErrDeposed) {
			if err != nil && !errors.Is(err, state.ErrUnreadable) && ctx.Err() == nil {
				err = fmt.Errorf("%w: %w", ErrNoStore, err)
			}
			return es, more, err
		}
		s.tell(func(c *core) { c.suspect(token) }) // by its own move, or by another owner
	}
}

// Await waits until the shard is open, or is known not to be: then it returns why, as Read does.
func (k *Keeper) Await(ctx context.Context, id uint32) error {
	s := k.shard(id)
	if s == nil {
		return notOpen(id)
	}
	_, err := s.wait(ctx)
	return err
}

// Health is how the shards of a keeper are at one moment.
type Health struct {
	// Waiting is how many shards wait for the store: to be opened, or to settle a doubt.
	Waiting int
	// Changes is how many changes wait or are under way.
	Changes int
	// Err is what keeps one of the waiting shards from being open; nil if nothing has failed.
	Err error
}

// Health returns how the shards are now.
func (k *Keeper) Health() (h Health) {
	k.mu.Lock()
	shards := slices.Collect(maps.Values(k.shards))
	k.mu.Unlock()
	for _, s := range shards {
		s.mu.Lock()
		h.Changes += s.core.ops.n
		if s.core.status == opening || s.core.status == settling {
			h.Waiting++
			h.Err = cmp.Or(h.Err, s.core.why)
		}
		s.mu.Unlock()
	}
	return h
}

// Drop ends a shard. Changes that wait end with state.ErrDeposed, or with [ErrInDoubt]. Changes
// under way end with the store's answer.
func (k *Keeper) Drop(id uint32) {
	k.mu.Lock()
	s := k.shards[id]
	delete(k.shards, id)
	k.mu.Unlock()
	if s != nil {
		s.drop()
	}
}

// Close waits until no change of the shard waits or is under way, or until ctx ends. Then it drops
// the shard, and waits for what the shard has started, but not for ever. A done func must not call it.
func (k *Keeper) Close(ctx context.Context, id uint32) error {
	s := k.shard(id)
	if s == nil {
		return nil
	}
	err := s.idle(ctx)
	k.mu.Lock()
	if k.shards[id] == s {
		delete(k.shards, id)
	}
	k.mu.Unlock()
	s.drop()
	return cmp.Or(err, s.rest())
}

// End closes all shards, side by side, and waits for what any shard has started, but not for ever.
func (k *Keeper) End(ctx context.Context) error {
	k.mu.Lock()
	ids := slices.Collect(maps.Keys(k.shards))
	k.mu.Unlock()
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = k.Close(ctx, id) })
	}
	wg.Wait()
	over := make(chan struct{})
	go func() { // ends when the store's code has returned
		k.asks.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(restTime): // a Commit that blocks can hold up what has asked something else
		errs = append(errs, errors.New(theStore+" go on after the end"))
	}
	return errors.Join(errs...)
}
