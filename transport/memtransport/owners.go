// The live nodes that tell clients how keys map to shards

package memtransport

import (
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// ownersSub is a node that can tell how keys map to shards.
type ownersSub struct {
	t   *Transport
	dir dispatch.Owners
}

// ServeOwners implements [dispatch.Backend]. In memory no client has to ask which node owns
// a shard.
func (t backend) ServeOwners(ctx context.Context, o dispatch.Owners) (transport.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	if t.closed.Load() {
		return nil, outcome.Errorf(outcome.ErrTransportClosed, "owners")
	}
	t.living.Store(true)
	s := &ownersSub{t.Transport, o}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owners = append(t.owners, s)
	return s, nil
}

// Served implements [dispatch.Backend]: all nodes are in this process.
func (backend) Served(context.Context) []uint64 { return nil }

// Address implements [dispatch.Backend]: requests find the owner without one.
func (t backend) Address() string { return "" }

// Linger implements [dispatch.Backend]: requests find the next owner at once.
func (backend) Linger() time.Duration { return 0 }

// Unsubscribe implements [transport.Subscription].
func (s *ownersSub) Unsubscribe() error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.t.owners = slices.DeleteFunc(s.t.owners, func(o *ownersSub) bool { return o == s })
	return nil
}

// Layout implements [transport.LayoutTransport]. It does not wait.
func (t *Transport) Layout(ctx context.Context) (numShards uint32, seed string, err error) {
	if err := ctx.Err(); err != nil {
		return 0, "", outcome.ContextError(err, outcome.NotSent)
	}
	if t.closed.Load() {
		return 0, "", outcome.Errorf(outcome.ErrTransportClosed, "how keys map to shards")
	}
	if n, seed := t.layout(); n > 0 {
		return n, seed, nil
	}
	return 0, "", outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "no node of a live cluster is on this transport").WithOutcome(outcome.NotSent)
}

// layout returns the layout of any live node; it is zero if there is no node.
func (t *Transport) layout() (numShards uint32, seed string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.owners {
		if _, n := s.dir.Owners(0, 0); n > 0 {
			return n, s.dir.Seed()
		}
	}
	return 0, ""
}
