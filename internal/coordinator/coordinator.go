// Coordinator: joining, one incarnation after the other, leaving

package coordinator

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/process"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Options configures a coordinator.
type Options struct {
	// Self is the node. Its incarnation is drawn by Run. A layout without shards is the
	// cluster's, or has DefaultNumShards if this node founds the cluster.
	Self ownership.Self
	// Address is where requests reach the node, of record.AddressSize characters. Its
	// incarnations begin with it. Empty if callers need none.
	Address string
	Store   membership.Store
	Node    Node
	// Hearer tells whether requests reach the node; nil if nothing can tell.
	Hearer Hearer
	// Reacher asks other members; nil if the way to them cannot fail.
	Reacher Reacher
	Log     *slog.Logger
	// DrainTimeout bounds the end of calls and keys when a shard moves.
	DrainTimeout time.Duration
	// StopTimeout bounds the leave of the node.
	StopTimeout time.Duration
	// Linger is how long a node that leaves goes on after its last shard has moved. Meanwhile the network refuses
	// calls of callers that do not know of the move yet, so they look for the next owner.
	Linger time.Duration
}

// Limits of what runs at once.
const (
	opTimeout = 500 * time.Millisecond
	perRecord = 20 * time.Microsecond // more for a snapshot; a bucket takes 5
	maxOps    = 64

	watchRetry = time.Second // until a watch that has failed is tried again
)

// DefaultNumShards is the number of shards of a cluster whose first node was not told.
const DefaultNumShards = 256

// Coordinator runs one node's membership. Make one with [New].
type Coordinator struct {
	opts    Options
	log     *slog.Logger
	store   members
	inbox   inbox
	ops     chan struct{} // one token for each operation that runs
	work    sync.WaitGroup
	moved   atomic.Pointer[time.Time] // when the last shard was closed that has moved
	tasks   tasks
	ran     atomic.Bool
	left    atomic.Bool // it takes no part any more; tasks may go on
	settled bool
	born    uint64          // the revision at which the first incarnation came into the store
	stays   context.Context // ends when the node has left: incarnations do not outlast it

	current   atomic.Pointer[incarnation] // the one that lives; nil between two
	answers   answers
	agreement agreement
	others    others
	unended   unended
	hearing   hearing
	reaching  reaching
}

// New makes a coordinator. It returns outcome.ErrBadOption for options that
// cannot work.
func New(opts Options) (*Coordinator, error) {
	adopts := opts.Self.Layout.NumShards == 0
	if adopts {
		opts.Self.Layout.NumShards = DefaultNumShards
	}
	probe := opts.Self
	probe.Incarnation = "probe"
	if err := probe.Validate(); err != nil {
		return nil, err
	}
	opts.Self.Process = process.Self()
	c := &Coordinator{opts: opts, log: sparse.New(opts.Log), ops: make(chan struct{}, maxOps), inbox: inbox{signal: make(chan struct{}, 1)}}
	c.store = members{opts.Store, c.log}
	c.tasks = tasks{work: &c.work, last: map[uint32]chan struct{}{}}
	c.agreement = agreement{self: &c.opts.Self, store: c.store, node: opts.Node, log: c.log, answers: &c.answers, adopts: adopts}
	c.others = others{self: &c.opts.Self, store: c.store}
	c.hearing.hearer = opts.Hearer
	c.reaching = reaching{reacher: opts.Reacher, log: c.log}
	return c, nil
}

// Layout is how the cluster maps keys to shards, once Agree has returned nil.
func (c *Coordinator) Layout() sharding.Layout { return c.opts.Self.Layout }

// Cluster is the identity of the cluster, once Agree has returned nil; empty for one without. It
// may be called at any time: another may have founded the cluster anew.
func (c *Coordinator) Cluster() string {
	if id := c.agreement.cluster.Load(); id != nil {
		return *id
	}
	return ""
}

// Deposed tells that the store of state has given a shard to another owner: its standing is lost at
// once. If the records still say that the shard is this node's, the node opens it again.
func (c *Coordinator) Deposed(at *standing.Standing) {
	at.Lose()
	c.inbox.depose(at)
}

// Agree compares the layout with the cluster's, or adopts it. It waits for the
// store, and makes the store anew if it is certainly gone. The error is about the layout, or is
// ctx's. Run does this too, before each incarnation. Agree is for nodes that must not
// answer other nodes before it has been done.
func (c *Coordinator) Agree(ctx context.Context) error { return c.agreement.reach(ctx) }

// Run joins, takes part until ctx ends, hands over what it owns and leaves. It runs once.
// It returns an error for a layout that is not the cluster's, [membership.ErrSuperseded], or
// what did not end in time.
func (c *Coordinator) Run(ctx context.Context) error {
	if c.ran.Swap(true) {
		return outcome.Errorf(outcome.ErrBadOption, "the coordinator of node %s has run before", c.opts.Self.Name)
	}
	err := c.takePart(ctx)
	c.left.Store(true)
	c.opts.Node.Left()
	late := c.await()
	if moved := c.moved.Load(); moved != nil {
		time.Sleep(time.Until(moved.Add(c.opts.Linger)))
	}
	return errors.Join(err, late, c.unended.err(c.opts.Self.Name))
}

// takePart is Run until the node has left. Tasks that it has begun may go on.
func (c *Coordinator) takePart(ctx context.Context) error {
	if err := c.Agree(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := c.others.fits(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	var end context.CancelFunc
	c.stays, end = context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	c.work.Go(c.watch) // ends with c.stays
	return c.incarnations(ctx)
}

// watch hears hints until c.stays ends. Without hints nodes look at the records often enough, so a
// node joins even if it cannot watch.
func (c *Coordinator) watch() {
	for c.stays.Err() == nil {
		err := c.store.watch(c.stays, c.inbox.see)
		if err == nil {
			return
		}
		c.log.Warn("cannot watch the store of members: this node sees changes later", slog.Any("error", err))
		pause(c.stays, watchRetry)
	}
}

// incarnations runs one incarnation after the other: if one was declared dead, or
// could not be reached, another follows.
func (c *Coordinator) incarnations(ctx context.Context) error {
	for {
		over, err := c.live(ctx)
		if over || ctx.Err() != nil {
			return err
		}
		if err := c.Agree(ctx); err != nil { // the store may be another now
			return unlessEnded(ctx, err)
		}
		if c.born > 0 && c.others.outlived(ctx, c.born) {
			return membership.ErrSuperseded
		}
		c.reachable(ctx)
	}
}

// unlessEnded returns err, or nil once ctx has ended, because the error then says no more than that.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// await returns when all tasks have ended. If they have not after a long wait, it returns an
// error.
func (c *Coordinator) await() error {
	ended := make(chan struct{})
	go func() { c.work.Wait(); close(ended) }() // ends with the last handler or hook
	timer := time.NewTimer(c.opts.StopTimeout)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return outcome.Errorf(outcome.ErrHandlerTimeout, "node %s: handlers or hooks of shards that have moved still run", c.opts.Self.Name)
	}
}

// Health returns how the node takes part now. It may be called at any time, and does
// not block.
func (c *Coordinator) Health() (h Health) {
	h.Store, h.Unreachable, h.Deaf = c.answers.last(), c.reaching.unreachable(), c.hearing.err()
	in := c.current.Load()
	if in == nil {
		h.Leaving = c.left.Load()
		return h
	}
	now := time.Now()
	h.Settled, h.Leaving, h.Wanted = in.settled.Load(), in.leaving.Load(), int(in.wanted.Load())
	h.Stays, h.Held = in.stays.Load(), int(in.held.Load())
	h.Lease, h.LeaseEnded = in.lease.Left(now)
	if f := cmp.Or(in.holds.failing.Load(), in.refused.Load()); f != nil {
		h.Subscribe = f.err
	}
	h.Died = in.died.Load().err(in.self, now)
	if err := in.records.amiss.Load(); err != nil {
		h.Records = *err
	}
	return h
}

// reachable returns when requests can reach the node.
func (c *Coordinator) reachable(ctx context.Context) {
	for ctx.Err() == nil {
		c.hearing.look(time.Now(), 2*openRetry)
		if c.opts.Node.Reachable() && c.hearing.hears() {
			return
		}
		pause(ctx, openRetry)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// newIncarnation draws an incarnation behind an address.
func newIncarnation(address string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return address + hex.EncodeToString(b[len(address)/2:])
}
