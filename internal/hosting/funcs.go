// Handler funcs as entities

package hosting

import (
	"fmt"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/transport"
)

// Funcs makes entities of handler funcs.
func Funcs(create func(key string) (transport.HandlerFunc, error)) func(key string) (pactor.Actor, error) {
	return func(key string) (pactor.Actor, error) {
		h, err := create(key)
		if err != nil {
			return nil, err
		}
		if h == nil {
			return nil, fmt.Errorf("the handler func of key %.64q is nil", key)
		}
		return funcEntity(h), nil
	}
}

// funcEntity is a handler func as an entity.
type funcEntity transport.HandlerFunc

var _ host.Entity = funcEntity(nil)

// Activate implements [host.Entity].
func (funcEntity) Activate(*host.Context) error { return nil }

// Handle implements [host.Entity].
func (f funcEntity) Handle(c *host.Context) {
	switch d := c.OnTurn().(type) {
	case delivery:
		data, err := f(c, d.Own())
		if err != nil || !c.Handled() {
			d.Reply(data, err)
		}
	case *surrounded:
		d.Reply(f(d.in.context(), d.Own()))
	}
}

// Passivate implements [host.Entity].
func (funcEntity) Passivate(*host.Context) error { return nil }

// Drain implements [host.Entity].
func (funcEntity) Drain(*host.Context) error { return nil }

// Settings implements [host.Entity].
func (funcEntity) Settings() host.Settings { return host.Settings{} }

// Receive implements protoactor's Actor: a func gets no mail by process id.
func (funcEntity) Receive(pactor.Context) {}
