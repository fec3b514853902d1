package coordinator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/transport"
)

// Node is what serves shards, and what wants to know. Its methods other than
// Open must not block.
type Node interface {
	// Open begins to serve a shard, and returns when requests find it. It may
	// block until ctx ends.
	Open(ctx context.Context, g *Guard) (Shard, error)
	// Opened tells that a shard is served now, Gap after the owner before had
	// stopped as far as is known; 0 for one that nobody had.
	Opened(g *Guard, gap time.Duration)
	// Route tells of a new version of any shard's record.
	Route(shard uint32, record membership.Shard)
	// Settled tells that the node serves all that it should, once.
	Settled()
}

// Shard is a shard that a node serves.
type Shard interface {
	// Drain returns when nothing of the shard runs any more and its keys are
	// passivated. New calls are refused by the guard. When ctx ends, what runs
	// still is left behind and told so.
	Drain(ctx context.Context) error
	// Drop ends what runs, without stop hooks: another may own the shard. It
	// returns when nothing runs any more, or with ctx.
	Drop(ctx context.Context) error
	// Close takes the subscription back. Nothing runs any more.
	Close() error
}

// Options configures a coordinator.
type Options struct {
	Self  membership.Self // Incarnation is drawn by Run
	Store membership.Store
	Node  Node
	Log   *slog.Logger
	// DrainTimeout bounds the end of what runs when a shard moves.
	DrainTimeout time.Duration
	// StopTimeout bounds the leave of the node.
	StopTimeout time.Duration
	// Linger is how long a shard that has moved stays subscribed, to tell
	// callers so.
	Linger time.Duration
}

// Limits of what runs at once.
const (
	opTimeout = 500 * time.Millisecond
	perRecord = 20 * time.Microsecond // more for a snapshot; a bucket takes 5
	maxOps    = 64
)

// Coordinator runs one node's membership. Make one with [New].
type Coordinator struct {
	opts    Options
	log     *slog.Logger
	inbox   inbox
	ops     chan struct{} // one token for each operation that runs
	work    sync.WaitGroup
	lines   map[uint32]chan struct{} // by shard: closed when its last task has ended
	settled bool
	done    context.Context // ends when Run does: nothing may outlast it
}

// New makes a coordinator. It returns transport.ErrBadOption for options that
// cannot work.
func New(opts Options) (*Coordinator, error) {
	probe := opts.Self
	probe.Incarnation = "probe"
	if err := probe.Validate(); err != nil {
		return nil, err
	}
	return &Coordinator{
		opts: opts, log: opts.Log, ops: make(chan struct{}, maxOps), lines: map[uint32]chan struct{}{},
		inbox: inbox{signal: make(chan struct{}, 1)},
	}, nil
}

// Run joins, takes part until ctx ends, hands over what it owns and leaves. It
// returns an error for a layout that is not the cluster's, [membership.ErrSuperseded], or
// what did not end in time.
func (c *Coordinator) Run(ctx context.Context) (err error) {
	if err := c.agree(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var end context.CancelFunc
	c.done, end = context.WithCancel(context.WithoutCancel(ctx))
	defer c.work.Wait()
	defer end()
	stop, err := c.opts.Store.Watch(c.inbox.see)
	if err != nil {
		return err
	}
	defer stop()
	for {
		over, err := c.live(ctx)
		if over || ctx.Err() != nil {
			return err
		}
	}
}

// agree compares the layout with the cluster's, or says what it is.
func (c *Coordinator) agree(ctx context.Context) error {
	want := membership.NewConfig(c.opts.Self.Layout)
	for {
		err := c.agreeOnce(ctx, want)
		switch {
		case err == nil || errors.Is(err, transport.ErrLayoutMismatch):
			return err
		case errors.Is(err, membership.ErrConflict):
			continue // another was first: read what it has written
		}
		c.log.Warn("the store of members does not answer", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (c *Coordinator) agreeOnce(ctx context.Context, want membership.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	e, err := c.opts.Store.Read(ctx, membership.ConfigKey)
	if err != nil {
		return err
	}
	if e.Rev == 0 {
		_, err := c.opts.Store.Write(ctx, membership.ConfigKey, 0, want.Encode())
		return err
	}
	have, err := membership.Decode[membership.Config](e.Value)
	if err != nil {
		return transport.Errorf(transport.ErrLayoutMismatch, "the cluster's record is not readable: %v", err)
	}
	return want.Check(have)
}

func newIncarnation() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// live is one incarnation of the node. over is false if the node is to come
// again, because others have taken it for dead.
func (c *Coordinator) live(ctx context.Context) (over bool, err error) {
	self := c.opts.Self
	self.Incarnation = newIncarnation()
	core, err := membership.NewCore(self)
	if err != nil {
		return true, err
	}
	l := &life{c: c, core: core, self: core.Self(), start: time.Now(), lease: newLease(), walls: map[time.Duration]time.Time{}, guards: map[uint32]*held{}}
	l.begin()
	defer l.lose()
	c.inbox.clear()
	ticker := time.NewTicker(membership.TickEvery)
	defer ticker.Stop()
	l.step(membership.Tick{})
	asked := ctx.Done()
	var giveUp <-chan time.Time
	for l.gone == nil {
		select {
		case <-c.inbox.signal:
			for _, e := range c.inbox.take() {
				if l.gone == nil {
					l.take(e)
				}
			}
		case <-ticker.C:
			l.step(membership.Tick{})
		case <-asked:
			asked = nil
			timer := time.NewTimer(c.opts.StopTimeout)
			defer timer.Stop()
			giveUp = timer.C
			l.step(membership.Leave{})
		case <-giveUp:
			return true, transport.Errorf(transport.ErrHandlerTimeout, "node %s: left %d shards without a hand-over after %v", self.Name, len(l.guards), c.opts.StopTimeout)
		}
	}
	switch {
	case !l.superseded.IsZero():
		return true, membership.ErrSuperseded
	case l.gone.State == membership.Left:
		if ctx.Err() == nil {
			c.log.Info("left the cluster because an operator has asked this node to")
		}
		return true, nil
	}
	c.log.Warn("this node was declared dead; it comes again", slog.String("incarnation", self.Incarnation), slog.String("by", l.gone.By.String()))
	return false, nil
}
