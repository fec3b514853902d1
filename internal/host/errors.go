// Why a message was not handled

package host

import (
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/state"
)

// Why a message was not handled. In each case no method of the entity ran for
// it. Package handlers gives them their codes.
var (
	// ErrMailboxFull: the key has as many waiting messages as allowed.
	ErrMailboxFull = errors.New("mailbox full")
	// ErrStuck: a hook of the key has passed its limit and has not returned, or the key
	// has not ended since the shard was here last. It is an ErrMailboxFull, too.
	ErrStuck = fmt.Errorf("%w: the key is stuck", ErrMailboxFull)
	// ErrStopping: the host ends.
	ErrStopping = errors.New("host is stopping")
	// ErrEnded: the key has ended with its node, the stop hook that asks cannot wake it
	// any more, and no other node serves it.
	ErrEnded = errors.New("the key has ended")
	// ErrLapsed: the node's lease on the shard has ended: another node may own the
	// key by now.
	ErrLapsed = errors.New("the node's lease on the shard has ended")
	// ErrCircle: the key's turn that runs waits for the message, which would wait for
	// that turn.
	ErrCircle = errors.New("requests in a circle")
	// ErrActivation: the key's actor could not be made, or is not tried again yet.
	ErrActivation = errors.New("activation failed")
	// ErrUnknownType: the entity has no method for the message's type.
	ErrUnknownType = errors.New("no handler for message type")
	// ErrNotDurable: the message has an ID, and the actor keeps no state to know it again by; or
	// the actor wants a state stored that it does not keep.
	ErrNotDurable = errors.New("the entity is not durable")
	// ErrIDReused: the key knows the message's ID from another message.
	ErrIDReused = errors.New("the ID belongs to another message")
	// ErrTooOld: the message has an ID, and its first try was so long ago that the key may
	// have forgotten it.
	ErrTooOld = errors.New("the ID is too old to be known")
	// ErrReplyGone: the message has an ID, and has run. Its reply is not known any more.
	ErrReplyGone = errors.New("the reply is forgotten")
	// ErrBegun: the message has an ID, and an earlier try has run in part: what it had stored by
	// then is kept, and no try will have a reply.
	ErrBegun = errors.New("the message was begun, and has not ended")
	// ErrManyIDs: the key has to know as many IDs as it may.
	ErrManyIDs = errors.New("too many IDs")
	// ErrDecode: the payload does not unmarshal into the method's argument.
	ErrDecode = errors.New("payload does not unmarshal")
	// ErrEncode: the method ran, and its reply does not marshal.
	ErrEncode = errors.New("reply does not marshal")
	// ErrPanicked: the key owed the answer, and has panicked since. The message has run.
	ErrPanicked = errors.New("the key has panicked")
	// ErrForgotten: the key's actor has ended, and owed the answer. The message has run.
	ErrForgotten = errors.New("the key's actor has ended")
	// ErrNotStored: the message has run, and nothing of it was kept, because the store does not
	// take the state.
	ErrNotStored = errors.New("the state was not stored")
	// ErrKept: the message has run. The store is full, and the key keeps what the message has
	// changed in memory until the store takes it.
	ErrKept = fmt.Errorf("%w yet", ErrNotStored)
	// ErrDeposed: the message has run, and nothing of it was kept, because the shard has
	// another owner.
	ErrDeposed = errors.New("the shard has another owner")
	// ErrInDoubt: the message has run, and the shard was lost before it was known whether its
	// change was stored.
	ErrInDoubt = errors.New("it is not known whether the state was stored")
	// ErrBadState: what is stored of the key cannot be read.
	ErrBadState = errors.New("the stored state cannot be read")
	// ErrNoStore: the store of state cannot be read now, or there is none.
	ErrNoStore = errors.New("no store of state")
	// ErrNoTurn: the turn of the context has ended.
	ErrNoTurn = errors.New("the turn has ended")
)

// Failure is an error of this package: one of those above, with its details. Why alone
// says which one it is. Cause is an application's error, and may look like another one
// of this package's.
type Failure struct {
	Why   error  // one of those above
	What  string // the details; empty is none
	Cause error  // an application's; nil is none

	RetryAfter time.Duration // until the key is tried again; 0 is not known
}

// failure makes a Failure.
func failure(why, cause error, format string, args ...any) *Failure {
	return &Failure{Why: why, What: fmt.Sprintf(format, args...), Cause: cause}
}

// Error returns all of it, as one text.
func (f *Failure) Error() string {
	if detail := f.Detail(); detail != "" {
		return f.Why.Error() + ": " + detail
	}
	return f.Why.Error()
}

// Detail is what the error says beyond Why.
func (f *Failure) Detail() string {
	switch {
	case f.Cause == nil:
		return f.What
	case f.What == "":
		return f.Cause.Error()
	}
	return f.What + ": " + f.Cause.Error()
}

// Unwrap returns Why and Cause.
func (f *Failure) Unwrap() []error {
	if f.Cause == nil {
		return []error{f.Why}
	}
	return []error{f.Why, f.Cause}
}

// legible makes an application's error safe to pass on: callers that wait must be told, whatever
// the error's methods do.
func legible(err error) error {
	if err == nil {
		return nil
	}
	if text, ok := sparse.Text(err); !ok {
		return errors.New(text)
	}
	return err
}

// refusal makes a Failure of a keeper's error.
func refusal(err error) *Failure {
	switch {
	case errors.Is(err, state.ErrDeposed):
		return &Failure{Why: ErrDeposed, Cause: err}
	case state.Refused(err):
		return notStored(err)
	}
	return &Failure{Why: ErrInDoubt, Cause: err}
}
