// System: one protoactor system and one pool a node

package host

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
)

// The parts of protoactor that an entity meets; they are protoactor's own.
type (
	// Actor is protoactor's Actor: one method, Receive.
	Actor = pactor.Actor
	// PID is a protoactor process id.
	PID = pactor.PID
)

// System is what the hosts of one node share: one protoactor actor system,
// which is large, and the goroutines that actors run on.
type System struct {
	as      *pactor.ActorSystem
	pool    Pool
	log     *slog.Logger
	replies replies
	hosts   atomic.Uint64
	losses  losses
	clock   expiry.Set // of hooks, periodic work and receive timeouts
	close   sync.Once
}

// Pool runs tasks on goroutines of its own, in the order of Go, and those that a running task waits for first.
// Neither method blocks.
type Pool = interface {
	Go(pool.Task)
	GoFirst(pool.Task)
}

// NewSystem makes a system that runs its actors on p. Of its own messages it writes
// a few lines a second to log, and how many it has left out; an entity's lines
// ([Context.Log]) are all written.
func NewSystem(log *slog.Logger, p Pool) *System {
	log = sparse.New(log)
	s := &System{pool: p, log: log, losses: losses{log: log}}
	quiet := slog.New(warnings{log.Handler()})
	s.as = pactor.NewActorSystem(
		pactor.WithLoggerFactory(func(*pactor.ActorSystem) *slog.Logger { return quiet }),
	)
	takeDeadLetters(s.as)
	s.as.ProcessRegistry.RegisterAddressResolver(s.replies.resolve)
	return s
}

// Close ends what the system has started beside its hosts, which must have
// been stopped. It is idempotent.
func (s *System) Close() {
	s.close.Do(s.as.Shutdown)
	s.clock.Stop()
	s.losses.tell()
	sparse.Flush(s.log)
}

// NewHost makes a host.
func (s *System) NewHost(opts Options) *Host {
	h := &Host{system: s, opts: opts.withDefaults(), name: s.nextHost(), all: map[uint32]*shard{}}
	h.observers = newObservers(opts.Kind, s.log, opts.Observer)
	h.life, h.endHooks = context.WithCancel(context.WithoutCancel(h.opts.Base))
	h.returns.host, h.idle.host, h.bound.host = h, h, h
	h.use(Settings{CacheSize: opts.CacheSize, MailboxSize: opts.MailboxSize, IdleAfter: opts.IdleAfter})
	return h
}

func (s *System) nextHost() string { return "clstr-" + strconv.FormatUint(s.hosts.Add(1), 10) }

// warnings logs what protoactor warns of, and not its other lines: one for each start, and one for each failure that is
// logged by us too.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

func (w warnings) WithGroup(g string) slog.Handler { return warnings{w.Handler.WithGroup(g)} }
