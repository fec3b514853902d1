// A table of shards in front of a Dispatcher

package memtransport

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ transport.Transport       = (*Transport)(nil)
	_ dispatch.Backend          = backend{}
	_ dispatch.Poster           = backend{}
	_ dispatch.Carrier          = backend{}
	_ transport.LayoutTransport = (*Transport)(nil)
)

// Options configures the in-process transport. The zero value is ready to use.
type Options struct {
	// MaxConcurrentHandlers limits how many handlers run at once; more wait for
	// a place. A handler that waits for a request of its own, made with its
	// context, does not count. 0 = default (100), -1 = unlimited.
	MaxConcurrentHandlers int

	// HandlerTimeout is the maximum duration for a handler to complete.
	// 0 = default (30s), -1 = none.
	HandlerTimeout time.Duration

	// MaxPending is how many calls of one shard may be accepted and not yet
	// finished; more are refused with [outcome.ErrOverloaded].
	// 0 = default (16,384), -1 = unlimited.
	MaxPending int

	// MaxMessageBytes bounds a message or a reply, counted with its key, headers and type
	// as over NATS. A larger message is refused with [outcome.ErrTooLarge], and a larger reply
	// with [outcome.ErrReplyTooLarge]. 0 = default, that of a NATS server (1 MiB), -1 =
	// unlimited.
	MaxMessageBytes int
}

// Transport connects clients and nodes of one process. Make one with [New].
type Transport struct {
	d    *dispatch.Dispatcher
	most int // bytes of a message; negative is no limit

	closed atomic.Bool
	living atomic.Bool                       // owners come and go: a shard without one will have one
	mu     sync.Mutex                        // held while a subscription is made or ended
	shards shardtable.Table[[]*subscription] // the first serves, the others stand by
	owners []*ownersSub                      // of live nodes; guarded by mu
}

type subscription struct {
	*dispatch.Sub
	t     *Transport
	shard uint32
	epoch uint64
}

// New makes an in-process transport. It panics on an option below -1.
func New(opts Options) *Transport {
	limits := transport.Limits{
		MaxConcurrentHandlers: opts.MaxConcurrentHandlers,
		MaxPending:            opts.MaxPending,
		HandlerTimeout:        opts.HandlerTimeout,
	}
	if err := limits.Validate(); err != nil {
		panic("memtransport.New: " + err.Error())
	}
	if opts.MaxMessageBytes < -1 {
		panic(fmt.Sprintf("memtransport.New: MaxMessageBytes %d: -1 (unlimited), 0 (default) or more", opts.MaxMessageBytes))
	}
	t := &Transport{d: dispatch.NewDispatcher(limits, nil), most: cmp.Or(opts.MaxMessageBytes, wire.DefaultMaxMessage)}
	t.d.SetAsk(t.askTurns)
	return t
}

// WithLog sets the logger and returns the transport. It must be called before
// the transport is used.
func (t *Transport) WithLog(log *slog.Logger) *Transport {
	t.d.SetLog(log)
	return t
}

// Request implements [transport.ClientTransport].
func (t *Transport) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if err := env.Validate(); err != nil {
		return nil, err
	}
	dispatch.Bound(ctx, &env) // before its size is known
	s, err := t.serves(ctx, &env)
	if err != nil {
		return nil, err
	}
	reply, err := s.Do(ctx, env)
	return wire.CheckReply(reply, err, t.most)
}

// serves returns the subscription that an envelope goes to, if it may be sent.
func (t *Transport) serves(ctx context.Context, env *transport.Envelope) (*subscription, error) {
	subs := t.shards.Get(uint32(env.Shard))
	switch {
	case t.closed.Load():
		return nil, outcome.Errorf(outcome.ErrTransportClosed, "shard %d", env.Shard)
	case subs == nil && t.living.Load():
		n, _ := t.layout()
		if err := wire.CheckShard(env, n); err != nil {
			return nil, err
		}
		return nil, outcome.Errorf(outcome.ErrNotOwner, "shard %d has no owner at the moment", env.Shard)
	case subs == nil:
		return nil, outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", env.Shard)
	}
	if t.most >= 0 && wire.AtMost(env) > t.most {
		if err := wire.CheckRequest(ctx, env, dispatch.Waiting(ctx), t.most); err != nil {
			return nil, err
		}
	}
	return (*subs)[0], nil
}

// askTurns asks this process's own dispatcher what turns wait for.
func (t *Transport) askTurns(_ context.Context, shard uint32, question []byte) ([]byte, error) {
	subs := t.shards.Get(shard)
	if subs == nil {
		return nil, outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", shard)
	}
	return (*subs)[0].AnswerTurns(shard, question)
}

// SubscribeShard implements [transport.ServerTransport].
func (t *Transport) SubscribeShard(ctx context.Context, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, t.Backend(), shardID, h)
}

// Backend returns what nodes of this library use.
func (t *Transport) Backend() dispatch.Backend { return backend{t} }

type backend struct{ *Transport }

// Sends implements [dispatch.Sender].
func (t backend) Sends(of transport.ClientTransport) bool { return of == t.Transport }

// Number implements [dispatch.Poster]: what is sent is accepted at once, unless the func behind it takes
// its time.
func (t backend) Number() uint64 { return 0 }

// Post implements [dispatch.Poster].
func (t backend) Post(ctx context.Context, env *transport.Envelope, _ dispatch.Order, until time.Time, to dispatch.Told) (open bool, err error) {
	s, err := t.serves(ctx, env)
	if err != nil {
		return false, err
	}
	return s.Post(ctx, env, until, to)
}

// Prompt implements [dispatch.Prompt].
func (t backend) Prompt() {}

// Takes implements [dispatch.Carrier].
func (t backend) Takes(uint32) bool { return true }

// Carry implements [dispatch.Carrier]. What may be too large is encoded, because only then it is known
// whether it is.
func (t backend) Carry(ctx context.Context, env transport.Envelope, message plain.Value, want *plain.Type, _ bool) (data []byte, reply plain.Value, err error) {
	if t.most >= 0 && message.Type() != nil && wire.AtMost(&env)+message.Size() > t.most {
		env.Data, message = message.Encoded(), plain.Value{}
	}
	s, err := t.serves(ctx, &env)
	if err != nil {
		return nil, reply, err
	}
	data, reply, err = s.Carry(ctx, &env, message, want)
	if t.most >= 0 && reply.Size() > t.most/2 {
		data, reply = reply.Encoded(), plain.Value{}
	}
	data, err = wire.CheckReply(data, err, t.most)
	return data, reply, err
}

// Dispatcher implements [dispatch.Backend].
func (t backend) Dispatcher() *dispatch.Dispatcher { return t.d }

// Subscribe implements [dispatch.Backend].
func (t backend) Subscribe(ctx context.Context, shardID uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	if to.Epoch() != 0 {
		t.living.Store(true)
	}
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	s := &subscription{t: t.Transport, shard: shardID, epoch: to.Epoch()}
	to.Link = s
	var err error
	if s.Sub, err = t.d.Subscribe(ctx, to); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	subs := []*subscription{s}
	if old := t.shards.Get(shardID); old != nil {
		subs = slices.Concat(*old, subs)
		slices.SortStableFunc(subs, func(a, b *subscription) int { return cmp.Compare(b.epoch, a.epoch) })
	}
	t.shards.Set(shardID, &subs)
	return s.Sub, nil
}

// Shared implements [dispatch.Link]: the subscription that has come first gets the messages.
func (s *subscription) Shared() bool {
	subs := s.t.shards.Get(s.shard)
	return subs != nil && slices.ContainsFunc(*subs, func(o *subscription) bool { return o != s && o.epoch == s.epoch })
}

// Leave implements [dispatch.Link].
func (s *subscription) Leave() error {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.shards.Get(s.shard)
	if old == nil {
		return nil // it has left before
	}
	kept := slices.DeleteFunc(slices.Clone(*old), func(other *subscription) bool { return other == s })
	if len(kept) == 0 {
		t.shards.Set(s.shard, nil)
		return nil
	}
	t.shards.Set(s.shard, &kept)
	return nil
}

// Close implements [transport.ClientTransport] and [transport.ServerTransport]:
// it refuses new requests and returns when the handlers that had started have
// ended.
func (t *Transport) Close() error {
	if err := t.d.FromHandler("Close"); err != nil {
		return err
	}
	t.closed.Store(true)
	return t.d.Close()
}
