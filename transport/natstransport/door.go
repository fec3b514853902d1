// The door: how this end hears requests for all its shards, and questions about them

package natstransport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

// door is how requests reach this end.
type door struct {
	t    *Transport
	once sync.Once
	node expiry.Node
}

// newNode draws the token of this end's subject.
func newNode() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ears are the subjects that an end may hear.
type ears struct {
	inbox link.Ear // replies, answers about owners, and what this end asks itself
	node  link.Ear // requests for all shards of this end
	list  link.Ear // questions for owners that the fixed list answers
	who   link.Ear // the same, for directories: one node of the cluster hears each
	own   link.Ear // announcements of owners
	turns link.Ear // questions about turns
}

// open returns when requests reach this end. If fixed is true, clients must be able to ask for its
// fixed list too. The ears stay open until the transport is closed.
func (d *door) open(ctx context.Context, fixed bool) error {
	t := d.t
	if !fixed {
		return t.link.Open(ctx, &t.ears.turns, &t.ears.node)
	}
	err := t.link.Open(ctx, &t.ears.turns, &t.ears.node, &t.ears.list)
	if err == nil {
		d.once.Do(func() { t.clock.Add(&d.node, d, expiry.Now()+int64(routes.Again)) })
	}
	return err
}

// introduce has clients hear of this end before its first shard is served. So their next question waits for its answer.
func (d *door) introduce() error {
	t := d.t
	return t.link.Conn().Publish(t.opts.Prefix+".own", wire.AppendOwners(nil, &wire.Owners{Node: t.node}))
}

// Expire implements [expiry.Expirer]. A while after it has begun to serve a fixed list, this end asks for owners: it
// hears then of another node with the same shards.
func (d *door) Expire() { d.t.owners.Open(true) }
