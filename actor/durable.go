// Durable: entities whose state is stored

package actor

import (
	"time"

	"github.com/clstr-go/clstr/internal/host"
)

// Persistence says how the state of a [Durable] entity is stored. The zero value is ready to
// use: whatever a turn changes is stored before its reply leaves.
type Persistence struct {
	// Version is that of the state's type. Raise it when a stored state must be changed before
	// the entity can read it. A field that is new, and may be zero, needs no new version. An
	// entity does not start from a state of a newer version ([outcome.ErrBadState]).
	Version int
	// Upgrade makes a state of Version from one of an older version, as bytes. It runs when the
	// key is activated; what it returns is stored with the key's next change. Its error is an
	// ErrBadState of that key. It is required once there are older versions.
	Upgrade func(version int, state []byte) ([]byte, error)
	// TTL removes a state that has not been changed for that long, in whole seconds. An entity
	// that is active keeps what it has in memory. 0 = never.
	TTL time.Duration
	// Behind lets replies leave before the state is stored. It is stored at most that long after
	// a turn has changed it, and when the key is passivated or its shard moves. A crash loses
	// what came in between. -1 = only then, and in [Context.Save]. 0 = write-through.
	Behind time.Duration
	// MaxState bounds the encoded state, in bytes, up to 704 KiB. A turn that ends with a larger
	// one fails with ErrNotStored and is undone. 0 = default (512 KiB).
	MaxState int
}

// Durable has the entity's state stored: its exported fields as JSON, or the entity as protobuf
// if it is a proto.Message. If it is [Stateful], that is its state. The node needs a store of
// state.
//
// A turn is all or nothing. If it ends without an error, its reply leaves when the state is
// stored, and the key goes on with its next message meanwhile. If its method fails or panics, the
// entity is made anew from what it was before, and the caller knows that nothing was kept. So
// does a change that the store refuses. What an entity sends to others waits until the state is
// stored that the turn has found; call [Context.Save] before it to send what the turn itself has
// changed.
//
// A field that is not exported, or has the tag json:"-", is not stored. Fields that the stored
// state does not have are zero after it was read.
func Durable(p Persistence) Option {
	how := host.Persistence(p)
	how.Validate("Durable")
	return func(t *table) {
		t.must(t.entity, t.persist == nil, "Durable")
		if err := host.CheckState(t.entity); err != nil {
			panic("clstr: Define: Durable: " + err.Error())
		}
		t.persist = &how
	}
}

// Stateful is an entity, or a protoactor actor, whose state is not the entity itself.
type Stateful interface {
	// State returns what is stored, always of one type: a struct or a pointer to one, as JSON, or
	// a protobuf message. It is called on the key's turn, and must change nothing.
	State() any
	// SetState takes a stored state, of the type that State returns, before the first message.
	// It is not called for a key of which nothing is stored.
	SetState(state any) error
}

// OnQuery is [OnRequest] for a method that promises not to change the entity's state: the
// state is neither encoded nor compared after it. A change that it makes all the same is stored
// with the next one.
func OnQuery[E, In, Out any](method func(*E, *Context, In) (Out, error)) Option {
	return OnRequest(func(e *E, c *Context, in In) (Out, error) {
		c.in().Query()
		return method(e, c, in)
	})
}

// Save stores a durable entity's state as it is now, and returns when it is stored. Call it
// before the turn has an effect elsewhere that needs what the turn has changed: a call of another
// key, or of something outside. If the turn fails afterwards, the entity goes on from what was
// saved. Save belongs to the turn: it fails on another goroutine once the method has returned.
func (c *Context) Save() error { return c.in().Save() }

// Delete has a durable entity's state removed when the turn ends without an error. Then the
// entity ends without its OnPassivate, and the next message makes a new one.
func (c *Context) Delete() error { return c.in().Delete() }
