// How a test gets at an entity's turn

package testkit

import (
	"context"
	"log/slog"
	"slices"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/host"
)

// probed makes actors that take the test's orders on their own turn. Otherwise they are
// what the factory makes.
func probed(factory handlers.ActorFactory) handlers.ActorFactory {
	return func(key string) (actor.Actor, error) {
		inner, err := factory(key)
		if err != nil || inner == nil {
			return nil, err
		}
		if e, ok := inner.(host.Entity); ok {
			return probe{e}, nil
		}
		return protoProbe{inner}, nil
	}
}

var _ host.Entity = probe{}

// probe stands before an entity.
type probe struct{ host.Entity }

// Handle implements host.Entity.
func (p probe) Handle(c *host.Context) {
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

// protoProbe stands before a protoactor actor.
type protoProbe struct{ actor.Actor }

// Receive implements protoactor's Actor.
func (p protoProbe) Receive(ctx pactor.Context) {
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

// unasked is a log without the panics of [Entity.Crash]: the test knows of those.
type unasked struct{ slog.Handler }

// Handle implements slog.Handler.
func (h unasked) Handle(ctx context.Context, r slog.Record) error {
	var ordered, crashed bool
	r.Attrs(func(a slog.Attr) bool {
		ordered = ordered || a.Equal(slog.String("type", string(msgCrash)))
		if a.Value.Kind() == slog.KindGroup { // of the panic's value and stack
			crashed = crashed || slices.ContainsFunc(a.Value.Group(), slog.String("panic", crash).Equal)
		}
		return true
	})
	if ordered && crashed {
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
