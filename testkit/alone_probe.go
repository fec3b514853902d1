// How a test gets at an entity's turn

package testkit

import (
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
