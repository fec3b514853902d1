// Service: Open, Run, Close, and a way to its parts

package clstr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Service is one process of a service: a node, if it hosts entities, and a client. Make
// one with [Open].
type Service struct {
	name   string
	id     string
	link   Link
	node   *cluster.Node // nil: a client only
	stop   func() error  // the node
	client *cluster.Client
	drain  time.Duration // bounds an end that no context bounds

	opened  chan struct{} // closed as Open returns: stop holds from then on
	closing sync.Once
	closed  chan struct{} // closed as Close begins
	ended   chan struct{} // closed when all has ended
	err     error         // of the end
}

// Open connects to the network and starts the node, if there are entities. It returns
// when the node serves its part of the shards. For a client it returns as soon as there
// is a connection: calls wait inside their deadlines for the first node.
//
// ctx bounds the start only. Connecting ends with it, and after 30 s if it has no
// deadline: if there is no server by then, the error is [cluster.ErrDisconnected] and
// names the URL. Open returns at once the errors that waiting does not mend, for example
// [cluster.ErrBadOption], [cluster.ErrNotPermitted] and, if the service has another number of
// Shards, [cluster.ErrLayoutMismatch]. A process that has no kind in common with the others
// of its Name gets [membership.ErrForeignKinds]. After an error nothing is left running.
func Open(ctx context.Context, opts Options) (*Service, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	link, err := opts.join(ctx)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", opts.Name, err)
	}
	opts.Node.NodeID = link.Node
	s := newService(opts, link)
	defer close(s.opened)
	if err = s.begin(ctx, opts); err != nil {
		return nil, fmt.Errorf("service %s: %w", s.name, errors.Join(err, s.link.Close()))
	}
	return s, nil
}

func newService(opts Options, link Link) *Service {
	if link.Close == nil {
		link.Close = func() error { return nil }
	}
	link.Close = sync.OnceValue(link.Close)
	return &Service{
		name: opts.Name, id: opts.Node.NodeID, link: link, drain: opts.drain(),
		opened: make(chan struct{}), closed: make(chan struct{}), ended: make(chan struct{}),
	}
}

// join connects. The link that it returns has the name of the node.
func (o Options) join(ctx context.Context) (Link, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cluster.DefaultRequestTimeout)
		defer cancel()
	}
	m := Member{Service: o.Name, Node: o.Node.NodeID, Hosts: o.hosts(), Durable: o.durable(), Log: o.Log}
	if m.Node == "" {
		m.Node, m.Drawn = newNodeID(), true
	}
	link, err := o.On.Join(ctx, m)
	if !m.Drawn || link.Node == "" {
		link.Node = m.Node
	}
	return link, err
}

// begin makes the client, and starts the node.
func (s *Service) begin(ctx context.Context, opts Options) (err error) {
	if s.client, err = cluster.NewClient(opts.client(s.link)); err != nil || !opts.hosts() {
		return err
	}
	base := opts.Node.BaseContext
	if base == nil {
		base = context.Background()
	}
	s.node = cluster.NewNode(opts.node(context.WithValue(base, serviceKey{}, s), s.link))
	s.stop, err = s.node.Start(ctx)
	return err
}

type serviceKey struct{}

// From returns the service that runs the entity with this ctx, so that an entity can ask others
// in a method or a hook. It returns nil outside a service. Make the request with the
// entity's context: it then ends with that context, and counts as a part of the entity's work.
//
//	balance, err := clstr.Ask[Balance](c, clstr.From(c).Key(accounts, m.From), Withdraw{m.Amount})
func From(ctx context.Context) *Service {
	s, _ := ctx.Value(serviceKey{}).(*Service)
	return s
}

// WithClient returns a context in which [From] finds a service that has only this client. It is for
// nodes that are made without [Open] ([cluster.NodeOptions].BaseContext). Package testkit
// uses it for tests of entities.
func WithClient(ctx context.Context, client *cluster.Client) context.Context {
	s := newService(Options{}, Link{Close: func() error { return nil }})
	s.client = client
	close(s.opened)
	return context.WithValue(ctx, serviceKey{}, s)
}

// Run blocks until ctx ends, and then closes the service. A main function ends with it. Run
// also returns if the node has ended by itself, because an operator has drained it or with an
// error, or if a client's connection has ended for good. Closing takes at most
// Node.StopTimeout plus Node.DrainTimeout plus 10 s, which is 55 s by default.
func (s *Service) Run(ctx context.Context) error {
	var err error
	var ended, broken <-chan struct{}
	if t, ok := s.link.Transport.(transport.ConnectionTransport); s.node != nil {
		ended = s.node.Ended() // because it is broken, too
	} else if ok {
		broken = t.Broken()
	}
	select {
	case <-ctx.Done():
	case <-ended:
	case <-broken:
		err = outcome.Errorf(outcome.ErrTransportClosed, "service %s: the connection has ended for good", s.name)
	case <-s.closed:
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	return errors.Join(err, s.Close(ctx))
}

// drain bounds the end of a service that Run closes.
func (o Options) drain() time.Duration {
	const most = 24 * time.Hour // so that the sum does not overflow
	stop, drain := cmp.Or(o.Node.StopTimeout, 30*time.Second), cmp.Or(o.Node.DrainTimeout, 15*time.Second)
	return min(stop, most) + min(drain, most) + 10*time.Second
}

// Close leaves as planned: the node answers the calls that it has accepted, entities run their
// stop hooks, and the node hands its shards over. Then the connections end, and further calls
// get [cluster.ErrTransportClosed]. If ctx ends before that, Close returns its error,
// and the rest goes on in the background. If ctx has ended already, for example by the signal that
// ends the program, it does not cut the end short: Close then takes as long as [Service.Run]
// may. A further Close waits for the first and returns the same. A handler or hook of
// the service cannot close it: [cluster.ErrFromHandler]. Close of a nil service does nothing.
func (s *Service) Close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if d := dispatch.DispatcherOf(s.link.Transport); d != nil {
		if err := d.FromHandler("Close"); err != nil {
			return err
		}
	}
	s.closing.Do(func() {
		close(s.closed)
		go s.end() // ends when the node has
	})
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), s.drain)
		defer cancel()
	}
	select {
	case <-s.ended:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("service %s: the node %s has not ended yet: %w", s.name, s.id, context.Cause(ctx))
	}
}

func (s *Service) end() {
	<-s.opened
	var err error
	if s.stop != nil {
		err = s.stop()
	}
	if err = errors.Join(err, s.link.Close()); err != nil {
		s.err = fmt.Errorf("service %s: %w", s.name, err)
	}
	close(s.ended)
}

// Node returns the node. For a client, and in a test of one entity alone, it returns nil, and its ID is "" and it never ends.
func (s *Service) Node() *cluster.Node { return s.node }

// Client returns the client, for calls that Ask and Tell do not offer.
func (s *Service) Client() *cluster.Client { return s.client }

// Transport returns the transport that carries the calls. prommetrics.RegisterTransport registers
// its counts.
func (s *Service) Transport() cluster.Transport { return s.link.Transport }

// Health returns the present health of the process's node. A client is Serving while
// it has a connection.
func (s *Service) Health() cluster.Health {
	if s.node != nil {
		return s.node.Health()
	}
	h := cluster.Health{NodeID: s.id, Serving: true}
	select {
	case <-s.closed:
		h.Serving, h.Why = false, cluster.NodeEnded
	default:
		if c, ok := s.link.Transport.(transport.ConnectionTransport); ok && !c.Connected() {
			h.Serving, h.Why = false, cluster.NodeDataPathDead
		}
	}
	return h
}

// HealthHandler answers /livez and /readyz as [cluster.Node.HealthHandler] does.
func (s *Service) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Health().ServeHTTP(w, r) })
}
