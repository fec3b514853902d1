// One entity of a definition, as its host calls it

package actor

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/outcome"
)

// instance is one entity.
type instance struct {
	table  *table
	entity any // *E
}

var _ host.Entity = instance{}
var _ persist.Durable = instance{}

// Activate implements host.Entity.
func (i instance) Activate(c *host.Context) error { return i.run(i.table.activate, c) }

// Handle implements host.Entity.
func (i instance) Handle(c *host.Context) {
	msgType := c.OnTurn().Message().Type
	h := i.table.handlers[msgType]
	if h == nil {
		c.OnTurn().Fail(i.table.unknown(msgType))
		return
	}
	h(i.entity, c)
}

// Passivate implements host.Entity.
func (i instance) Passivate(c *host.Context) error { return i.run(i.table.passivate, c) }

// Drain implements host.Entity.
func (i instance) Drain(c *host.Context) error { return i.run(i.table.drain, c) }

func (i instance) run(method hook, c *host.Context) error {
	if method == nil {
		return nil
	}
	return method(i.entity, c)
}

// Durable implements persist.Durable.
func (i instance) Durable() (of any, p *persist.Options) { return i.entity, i.table.persist }

// Settings implements host.Entity.
func (i instance) Settings() host.Settings {
	set := host.Settings{CacheSize: i.table.cacheSize, MailboxSize: i.table.mailboxSize, HookTimeout: i.table.hookTimeout, IdleAfter: i.table.idleAfter}
	for _, p := range i.table.periodic {
		set.Periodic = append(set.Periodic, host.Periodic{Period: p.period, Work: func(c *host.Context) error { return p.method(i.entity, c) }})
	}
	return set
}

// Receive implements protoactor's Actor. An entity ignores mail by process id.
func (instance) Receive(pactor.Context) {}

// mostNamed is how many message types an error names.
const mostNamed = 20

// unknown refuses a message type, and names those that the entity has a method for.
func (t *table) unknown(msgType string) *outcome.Error {
	names := slices.Sorted(maps.Keys(t.handlers))
	more := len(names) - mostNamed
	names = names[:min(len(names), mostNamed)]
	for at, name := range names {
		names[at] = strconv.Quote(name)
	}
	if more > 0 {
		names = append(names, strconv.Itoa(more)+" more")
	}
	if len(names) == 0 {
		names = []string{"no method"}
	}
	return outcome.Errorf(outcome.ErrUnknownType, "%.256q; the entity has %s", msgType, strings.Join(names, ", "))
}
