// How a test gets at an entity's turn

package testkit

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/persist"
)

// probes makes actors that take the test's orders on their own turn. Otherwise they are
// what the factory makes.
type probes struct {
	inner handlers.ActorFactory

	persists bool // protoactor actors are durable, by the handler's options

	mu     sync.Mutex
	grave  *atomic.Bool // of the actors of this node: set when it has died
	stores bool         // the last one is durable
}

func (p *probes) make(key string) (actor.Actor, error) {
	inner, err := p.inner(key)
	if err != nil || inner == nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.grave == nil {
		p.grave = new(atomic.Bool)
	}
	if e, ok := inner.(host.Entity); ok {
		probe := probe{e, p.grave}
		_, persists := probe.Durable()
		p.stores = persists != nil
		return probe, nil
	}
	proto := protoProbe{inner, p.grave}
	if s, ok := inner.(persist.Stateful); ok {
		p.stores = p.persists
		return statefulProbe{proto, s}, nil
	}
	return proto, nil
}

// durable reports whether the entity was made, and is durable.
func (p *probes) durable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stores
}

// bury has the actors that there are do nothing more.
func (p *probes) bury() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.grave != nil {
		p.grave.Store(true)
		p.grave = nil
	}
}

var (
	_ host.Entity      = probe{}
	_ persist.Durable  = probe{}
	_ persist.Stateful = statefulProbe{}
)

// probe stands before an entity.
type probe struct {
	host.Entity
	dead *atomic.Bool
}

// Durable implements persist.Durable.
func (p probe) Durable() (of any, how *persist.Options) {
	if d, ok := p.Entity.(persist.Durable); ok {
		return d.Durable()
	}
	return p.Entity, nil
}

// Handle implements host.Entity.
func (p probe) Handle(c *host.Context) {
	if p.dead.Load() {
		c.Call().Reply(nil, errKilled)
		return
	}
	switch order(c.Message().Type) {
	case msgActivate:
		c.Call().Reply(nil, nil)
	case msgPassivate:
		c.Passivate()
		c.Call().Reply(nil, nil)
	case msgCrash:
		panic(crash)
	default:
		p.Entity.Handle(c)
	}
}

// Passivate implements host.Entity.
func (p probe) Passivate(c *host.Context) error {
	if p.dead.Load() {
		return nil
	}
	return p.Entity.Passivate(c)
}

// protoProbe stands before a protoactor actor.
type protoProbe struct {
	actor.Actor
	dead *atomic.Bool
}

// statefulProbe stands before one whose state may be stored.
type statefulProbe struct {
	protoProbe
	persist.Stateful
}

// Receive implements protoactor's Actor.
func (p protoProbe) Receive(ctx pactor.Context) {
	if p.dead.Load() {
		return
	}
	m, ok := ctx.Message().(*actor.Message)
	if !ok {
		p.Actor.Receive(ctx)
		return
	}
	switch order(m.Type) {
	case msgActivate:
		ctx.Respond([]byte(nil))
	case msgPassivate:
		ctx.Stop(ctx.Self())
		ctx.Respond([]byte(nil))
	case msgCrash:
		panic(crash)
	default:
		p.Actor.Receive(ctx)
	}
}

// crash is the panic that [Entity.Crash] asks for.
const crash = "testkit: the test has asked for it"

// unasked is a log without the panics of [Entity.Crash], and without what killed nodes say of the
// store of state: the test knows of those.
type unasked struct{ slog.Handler }

// Handle implements slog.Handler.
func (h unasked) Handle(ctx context.Context, r slog.Record) error {
	var ordered, crashed, killed bool
	r.Attrs(func(a slog.Attr) bool {
		ordered = ordered || a.Equal(slog.String("type", string(msgCrash)))
		if a.Value.Kind() == slog.KindGroup { // of the panic's value and stack
			crashed = crashed || slices.ContainsFunc(a.Value.Group(), slog.String("panic", crash).Equal)
		}
		if err, ok := a.Value.Any().(error); ok {
			killed = killed || strings.Contains(err.Error(), errKilled.Error())
		}
		return true
	})
	if ordered && crashed || killed {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h unasked) WithAttrs(attrs []slog.Attr) slog.Handler {
	return unasked{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h unasked) WithGroup(name string) slog.Handler { return unasked{h.Handler.WithGroup(name)} }
