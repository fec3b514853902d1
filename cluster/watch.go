// Watch: the newest state of a key, as it changes

package cluster

import (
	"context"
	"fmt"
	"iter"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// Change is a state of a key, as [Watch] reports it.
type Change[T any] struct {
	// Rev grows from one state to the next. 0 = nothing was ever stored.
	Rev state.Rev
	// State is the stored state. It is the zero T if Deleted.
	State T
	// Version is the version of the stored state's type. A watch upgrades nothing: it sees the older
	// version until the entity has stored the newer one.
	Version int
	// Deleted: the key has no state. It never had one, it was deleted, or its TTL has passed. In the
	// last case Rev is the revision of the state that has ended.
	Deleted bool
}

// Watch yields the state of a key of a durable kind: first the state that is stored now, then each
// newer one, until ctx ends or the loop is left. It reads the store of [ClientOptions].State, and
// needs neither a node nor the right to write.
//
//	for change, err := range cluster.Watch[Account](ctx, client.Kind("account").Key("acc-1")) {
//		if err != nil { ... }
//		show(change.State, change.Deleted)
//	}
//
// States never go back and never come twice. The newest always comes in the end, through
// passivation, moves, cuts and restarts. A slow loop misses the states in between, because the newest
// replaces the one that waits. For a key without a state, a Deleted change comes at once. T is a type
// that decodes what the entity stores: the entity's own type, or one with a part of its fields. For a
// protobuf message it is a pointer.
//
// If a record does not decode into a T, the loop gets the error [state.ErrUnreadable] with the
// record's Rev, and goes on with the next state. It also goes on after [state.ErrSetBack]. While the
// store does not answer, Watch tries again, and says nothing until ctx ends: then the last error is
// why. Errors that waiting does not mend end the loop at once: [ErrBadOption], [ErrKeyRequired],
// [ErrNotPermitted], [state.ErrClosed].
//
// A client with a NumShards or Seed that is not the cluster's looks under another shard, and finds
// nothing there. A client without learns both.
//
// Watch works on the loop's own goroutine, so a watch inside a method of an entity blocks the key.
func Watch[T any](ctx context.Context, key *ScopedClient) iter.Seq2[Change[T], error] {
	return func(yield func(Change[T], error) bool) {
		err := key.watch(ctx, func(s sight) bool {
			c, err := decodedChange[T](s)
			if err != nil {
				err = fmt.Errorf("%s: %w", key.watched(), err)
			}
			return yield(c, err)
		})
		if err != nil {
			yield(Change[T]{}, err)
		}
	}
}

// watch passes on the states that the store shows, until pass returns false. Its error ends the watch.
func (c *ScopedClient) watch(ctx context.Context, pass func(sight) bool) error {
	switch {
	case c == nil:
		return outcome.Errorf(ErrBadOption, "Watch: the key's client is nil")
	case c.client.states == nil:
		return outcome.Errorf(ErrBadOption, "Watch: the client has no ClientOptions.State to read")
	case !c.target.byKey || c.target.key == "":
		return outcome.Errorf(ErrKeyRequired, "Watch: a key is required: Client.Kind(kind).Key(key)")
	case c.target.kind == "":
		return outcome.Errorf(ErrBadOption, "Watch: a kind is required: Client.Kind(kind).Key(key)")
	}
	by, err := c.client.caller.known.mapping.Load(), error(nil)
	if by == nil {
		if by, err = c.client.caller.known.learn(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.watched(), err)
		}
	}
	at := state.Range{Place: state.Records, Shard: c.target.under(by), Kind: c.target.kind, Key: c.target.key}
	w := &watching{store: c.client.states, at: at, log: c.client.caller.meter.log}
	if err := w.run(ctx, pass); err != nil {
		return fmt.Errorf("%s: %w", c.watched(), err)
	}
	return nil
}

func (c *ScopedClient) watched() string {
	return fmt.Sprintf("watch of %.64q key %.64q", c.target.kind, c.target.key)
}

// decodedChange is a sight in the form that a loop gets.
func decodedChange[T any](s sight) (c Change[T], err error) {
	c.Rev = s.rev
	switch {
	case s.err != nil:
		return c, s.err
	case s.record == nil || s.record.Deleted:
		c.Deleted = true
		return c, nil
	}
	c.Version = s.record.Version
	if stored, wanted := s.record.Type, codec.Format[T](); stored != "" && stored != wanted {
		err = fmt.Errorf("the state is stored as %s, and a %T is read as %s", stored, c.State, wanted)
	} else if c.State, err = codec.Unmarshal[T](s.record.State); err != nil {
		err = fmt.Errorf("into %T: %s", c.State, here(err))
	}
	if err != nil {
		var none T
		c.State = none
		return c, fmt.Errorf("%w: version %d at revision %d: %w", state.ErrUnreadable, s.record.Version, s.rev, err)
	}
	return c, nil
}
