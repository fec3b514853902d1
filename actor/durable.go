// Durable: entities whose state is stored

package actor

import (
	"time"

	"github.com/clstr-go/clstr/internal/persist"
)

// Persistence says how the state of a [Durable] entity is stored. The zero value is ready to
// use: every change of a turn is stored before its reply leaves.
type Persistence struct {
	// Version is the version of the state's type. Raise it when a stored state must be changed before
	// the entity can read it. A field that is new, and may be zero, needs no new version. An
	// entity does not start from a state of a newer version ([outcome.ErrBadState]).
	Version int
	// Upgrade makes a state of Version from one of an older version, as bytes. It runs when the
	// key is activated. Its result is stored with the key's next change. Its error is an
	// ErrBadState of that key. It is required once there are older versions.
	Upgrade func(version int, state []byte) ([]byte, error)
	// TTL removes a state that has not changed for that long, in whole seconds. An active entity
	// keeps its state in memory. 0 = never.
	TTL time.Duration
	// Behind lets replies leave before the state is stored. The state is stored at most that long after
	// a turn has changed it, and when the key is passivated or its shard moves. A crash loses
	// the changes in between. -1 = only at passivation, a move and [Context.Save]. 0 = write-through.
	Behind time.Duration
	// MaxState bounds the encoded state, in bytes, up to 704 KiB. A turn that changes the state to a
	// larger one fails with ErrNotStored and is undone. A larger state that is stored already
	// is served. 0 = default (512 KiB).
	MaxState int
	// Window is how long a key knows the IDs of messages that it has carried out
	// ([cluster.WithID]). An older try is refused and does not run. Window is at most 12 hours, or nine
	// tenths of TTL if that is less. 0 = default (10 min).
	Window time.Duration
}

// Durable stores the entity's state: its exported fields as JSON, or the entity as protobuf
// if it is a proto.Message. If it is [Stateful], the state is the result of its State method. The
// node needs a store of state.
//
// A turn is all or nothing. If it ends without an error, its reply leaves when the state is
// stored, and the key goes on with its next message meanwhile. If its method fails or panics, or if
// the store refuses the change, the entity is made anew from its state before the turn, and the
// caller is told that nothing was kept. A message that the entity sends to others waits until the
// changes of earlier turns are stored. If the message depends on a change of its own turn, call
// [Context.Save] before you send it.
//
// A type that JSON could not read again panics here: one with an interface in it, or with
// MarshalJSON and no UnmarshalJSON. A field that is not exported, or has the tag json:"-", is not stored. Fields that the stored
// state does not have are zero after it was read. States are compared as they are encoded: a
// MarshalJSON that encodes equal states differently has each turn stored.
func Durable(p Persistence) Option {
	how := persist.Options(p)
	how.Validate("Durable")
	return func(t *table) {
		t.must(t.entity, t.persist == nil, "Durable")
		if err := persist.Check(t.entity); err != nil {
			panic("clstr: Define: Durable: " + err.Error())
		}
		t.persist = &how
	}
}

// Stateful is an entity, or a protoactor actor, whose state is not the entity itself.
type Stateful interface {
	// State returns the value to store, always of the same type: a struct or a pointer to one, as
	// JSON, or a protobuf message. If it is of another type after a turn, the turn fails with
	// ErrNotStored. So does a turn after which it is a nil pointer, because that would be stored as a state:
	// [Context.Delete] removes a state. A key that has stored nothing may begin with a nil pointer. State
	// is called on the key's turn, and must change nothing.
	State() any
	// SetState takes a stored state, of the type that State returns, before the first message.
	// It is not called for a key without a stored state.
	SetState(state any) error
}

// OnQuery is [OnRequest] for a method that promises not to change the entity's state: the
// state is neither encoded nor compared after it. If it changes the state all the same, that is
// stored with the next change.
func OnQuery[E, In, Out any](method func(*E, *Context, In) (Out, error)) Option {
	return OnRequest(func(e *E, c *Context, in In) (Out, error) {
		c.in().Query()
		return method(e, c, in)
	})
}

// Save stores a durable entity's state as it is now, and returns when it is stored. Call it
// before the turn has an effect elsewhere that depends on its own changes, for example a call to
// another key or to another system. If the turn fails afterwards, the entity goes on from the saved
// state. The ID of a message is saved too, as begun: if the turn then fails, or its node dies, a
// repeat does not run on what was saved. It gets an error instead (ErrBegun of package outcome). Save
// belongs to the turn: once the method has returned, it fails on another goroutine.
func (c *Context) Save() error { return c.in().Save() }

// Delete removes a durable entity's state when the turn ends without an error. Then the
// entity ends without its OnPassivate, and the next message makes a new one. After Delete in
// OnActivate, that is the message that has activated the entity.
func (c *Context) Delete() error { return c.in().Delete() }
