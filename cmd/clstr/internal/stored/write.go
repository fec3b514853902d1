// Changing a record, under a fence of one's own

package stored

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/state"
)

// ErrChanged: the record is another one than that which was seen. Nothing was stored.
var ErrChanged = errors.New("the record has changed meanwhile")

// Write is a change of a record.
type Write struct {
	Shard     uint32
	Kind, Key string
	// Owner opens the shard: in the epoch of its fence, so that no later owner is deposed.
	Owner state.Owner
	// Seen is the revision of the record that is replaced, 0 if there is none. nil = any.
	Seen *state.Rev
	// Record is stored. Its number and what the store alone knows (the mail that is done, spilled
	// commands) follow from the record that is there. nil = the key is deleted.
	Record *state.Record
}

// deletedTTL is for how long a deleted key remembers the commands that it has carried out.
const deletedTTL = 24 * time.Hour

// Put carries out a write: it moves the shard's fence, which deposes a node that serves the shard.
// After state.ErrDeposed or another error that state.Refused knows, nothing was stored.
func Put(ctx context.Context, s Store, w Write) (number uint64, rev state.Rev, err error) {
	if w.Record != nil { // what every store refuses deposes nobody
		r := *w.Record
		r.Number = 1
		c := state.Change{Token: state.Token{Shard: w.Shard, Rev: 1}, Kind: w.Kind, Key: w.Key, Record: &r}
		if err := c.Check(); err != nil {
			return 0, 0, err
		}
	}
	k := keeper.New(keeper.Options{Store: s})
	k.Open(w.Shard, w.Owner)
	defer func() { k.Drop(w.Shard) }()
	es, _, err := k.Read(ctx, w.Shard, state.Range{Shard: w.Shard, Kind: w.Kind, Key: w.Key})
	if err != nil {
		return 0, 0, err
	}
	old, at := &state.Record{}, state.Rev(0)
	for _, e := range es {
		at = e.Rev
		if e.Record != nil { // else it is unreadable: what it knew of mail and commands is lost
			old = e.Record
		}
	}
	if w.Seen != nil && *w.Seen != at {
		return 0, 0, fmt.Errorf("%w: its revision was %[3]d and is %[2]d", ErrChanged, at, *w.Seen)
	}
	change := state.Change{Kind: w.Kind, Key: w.Key}
	if w.Record == nil {
		change.Record = &state.Record{Deleted: true, Commands: old.Commands, TTL: deletedTTL}
		if command.Check(old.Commands) != nil { // the key could not begin with them
			change.Record.Commands = nil
		}
		change.Reminders = &[]state.Reminder{}
	} else {
		next := *w.Record
		next.Failing = old.Failing
		change.Record = &next
	}
	r := change.Record
	r.Number, r.Mailed, r.Taken, r.Spilled = max(old.Number+1, 1), old.Mailed, old.Taken, old.Spilled
	done := make(chan error, 1)
	k.Commit(w.Shard, change, func(stored state.Rev, err error) {
		rev = stored
		done <- err
	})
	select {
	case err = <-done:
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("%w: %w", keeper.ErrInDoubt, context.Cause(ctx))
	}
	return r.Number, rev, err
}
