// The door: how this end hears requests for all its shards, and questions about them

package natstransport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// newNode draws the token of this end's subject.
func newNode() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// openDoor returns when requests reach this end. If fixed is true, clients must be able to ask for its
// fixed list too. The ears stay open until the transport is closed.
func (t *Transport) openDoor(ctx context.Context, fixed bool) error {
	if !fixed {
		return t.ears.open(ctx, &t.ears.turns, &t.ears.node)
	}
	err := t.ears.open(ctx, &t.ears.turns, &t.ears.node, &t.ears.list)
	if err == nil {
		t.lookout.once.Do(func() { t.clock.Add(&t.lookout.node, &t.lookout, expiry.Now()+int64(askAgain)) })
	}
	return err
}

// introduce has clients hear of this end before its first shard is served. So their next question waits for its answer.
func (t *Transport) introduce() error {
	return t.nc.Load().Publish(t.opts.Prefix+".own", wire.AppendOwners(nil, &wire.Owners{Node: t.node}))
}

// lookout is a question that this end asks a while after it has begun to serve a fixed list: it
// hears then of another node with the same shards.
type lookout struct {
	t    *Transport
	once sync.Once
	node expiry.Node
}

// Expire implements [expiry.Expirer].
func (l *lookout) Expire() { l.t.asker.open(true) }
