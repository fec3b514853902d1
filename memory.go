// Memory: the processes of a service in one process, for tests and single binaries

package clstr

import (
	"context"
	"sync"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// Memory returns a network inside this process. Services that are opened on the same network with
// the same Name share keys as processes over NATS do: with live shards, hand-over and copies of
// messages. It works in a testing/synctest bubble.
func Memory() *MemoryNetwork { return &MemoryNetwork{services: map[string]*shared{}} }

// MemoryNetwork is the [Network] that [Memory] makes.
type MemoryNetwork struct {
	mu       sync.Mutex
	services map[string]*shared // by name
}

// shared is what the members of one service share.
type shared struct {
	store *memstore.Store         // stays, as a bucket does
	state *memstate.Store         // stays, as a stream does
	tr    *memtransport.Transport // of members that are there
	users int
}

// Join implements [Network].
func (n *MemoryNetwork) Join(_ context.Context, m Member) (Link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.services[m.Service]
	if s == nil {
		s = &shared{store: memstore.New(), state: memstate.New()}
		n.services[m.Service] = s
	}
	if s.users == 0 {
		s.tr = memtransport.New(memtransport.Options{}).WithLog(m.Log)
	}
	s.users++
	link := &memLink{Transport: s.tr}
	link.life, link.end = context.WithCancel(context.Background())
	return Link{Transport: link, Store: s.store, State: memState{s.state, link.life}, Close: sync.OnceValue(func() error {
		link.end()
		n.mu.Lock()
		s.users--
		last := s.users == 0
		n.mu.Unlock()
		if last {
			return link.Transport.Close()
		}
		return nil
	})}, nil
}

// memLink is one member's way into the transport that all members share. A member's calls end with
// its memLink, and not with the transport.
type memLink struct {
	*memtransport.Transport
	life context.Context
	end  context.CancelFunc
}

// Request implements [cluster.ClientTransport].
func (l *memLink) Request(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	c, err := l.begin(ctx, env.Delivery)
	if err != nil {
		return nil, err
	}
	defer c.end()
	reply, err := l.Transport.Request(c.open, env)
	return reply, c.why(err)
}

// Backend returns what nodes and clients of this library use.
func (l *memLink) Backend() dispatch.Backend { return memBackend{l.Transport.Backend(), l} }

// memBackend is the backend of a memLink: what it carries ends with the memLink, too.
type memBackend struct {
	dispatch.Backend
	link *memLink
}

var _ dispatch.Carrier = memBackend{}

// Sends implements dispatch.Sender.
func (b memBackend) Sends(of transport.ClientTransport) bool { return of == b.link }

// Takes implements dispatch.Carrier.
func (memBackend) Takes(uint32) bool { return true }

// Prompt implements dispatch.Prompt.
func (memBackend) Prompt() {}

// Carry implements dispatch.Carrier.
func (b memBackend) Carry(ctx context.Context, env cluster.Envelope, message plain.Value, want *plain.Type, lends bool) (data []byte, reply plain.Value, err error) {
	c, err := b.link.begin(ctx, env.Delivery)
	if err != nil {
		return nil, reply, err
	}
	defer c.end()
	data, reply, err = b.Backend.(dispatch.Carrier).Carry(c.open, env, message, want, lends)
	return data, reply, c.why(err)
}

// Layout implements transport.LayoutTransport.
func (l *memLink) Layout(ctx context.Context) (numShards uint32, seed string, err error) {
	if l.life.Err() != nil {
		return 0, "", errClosed()
	}
	return l.Transport.Layout(ctx)
}

// Close ends this member's calls.
func (l *memLink) Close() error {
	l.end()
	return nil
}

// memState is one member's way into the store that all share.
type memState struct {
	*memstate.Store
	life context.Context
}

// Read implements [state.Store].
func (s memState) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if s.life.Err() != nil {
		return nil, false, state.ErrClosed
	}
	return s.Store.Read(ctx, t, r)
}

// Watch implements [state.Store].
func (s memState) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	if s.life.Err() != nil {
		return nil, state.ErrClosed
	}
	forget, err := s.Store.Watch(r, f)
	if err != nil {
		return nil, err
	}
	quiet := context.AfterFunc(s.life, func() { f(state.Entry{}) }) // it reads, and hears of the end
	return func() { quiet(); forget() }, nil
}

func errClosed() *outcome.Error {
	return outcome.Errorf(outcome.ErrTransportClosed, "the service was closed")
}
