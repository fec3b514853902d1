// How a test gets at an entity's turn

package testkit

import (
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
)

// probed makes actors that take the test's orders on their own turn, and are
// otherwise what the factory made.
func probed(factory handlers.ActorFactory) handlers.ActorFactory {
	return func(key string) (actor.Actor, error) {
		inner, err := factory(key)
		if err != nil || inner == nil {
			return nil, err
		}
		if e, ok := inner.(actor.Entity); ok {
			return probe{e}, nil
		}
		return protoProbe{inner}, nil
	}
}

var _ actor.Entity = probe{}

// probe stands before an entity, and has what the library may find in one.
type probe struct{ actor.Entity }

// Drain tells the entity of a drain, if it wants to know.
func (p probe) Drain(c *actor.Context) {
	if d, ok := p.Entity.(interface{ Drain(*actor.Context) }); ok {
		d.Drain(c)
	}
}

// HookTimeout is the entity's own limit of hooks; 0 for none.
func (p probe) HookTimeout() time.Duration {
	if l, ok := p.Entity.(interface{ HookTimeout() time.Duration }); ok {
		return l.HookTimeout()
	}
	return 0
}

// Handle implements actor.Entity.
func (p probe) Handle(c *actor.Context) {
	switch order(c.Message().Type) {
	case msgActivate:
		c.Call().Reply(nil, nil)
	case msgPassivate:
		c.Passivate()
		c.Call().Reply(nil, nil)
	case msgCrash:
		panic("testkit: the test has asked for it")
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
		panic("testkit: the test has asked for it")
	default:
		p.Actor.Receive(ctx)
	}
}
