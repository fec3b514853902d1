// Calls as actors know them; errors of package host get their codes

package hosting

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/outcome"
)

// delivery is a call as actors know it: without its envelope.
type delivery struct{ *dispatch.Call }

var _ host.Call = delivery{}

// Message implements [host.Call].
func (d delivery) Message() host.Message {
	env := d.Envelope()
	return host.Message{Type: env.Type, Key: env.Key, Headers: env.Headers, ID: env.ID, Codec: env.Codec}
}

// Fail implements [host.Call].
func (d delivery) Fail(err error) {
	d.Call.Fail(coded(d.Key(), err))
}

// ReplyValue implements [host.Call].
func (d delivery) ReplyValue(v plain.Value) { dispatch.ReplyValue(d.Call, v) }

// Spent implements [host.Call].
func (d delivery) Spent() host.Past {
	if s := dispatch.Spent(d.Call); s != nil {
		return past{s}
	}
	return nil
}

// EndLast implements [host.Call].
func (d delivery) EndLast() { dispatch.EndLast(d.Call) }

// past is the subscription of a call that was used again.
type past struct{ *dispatch.Sub }

// Ended implements [host.Past].
func (p past) Ended() host.Call { return delivery{dispatch.Ended(p.Sub)} }

// Age implements [host.Call].
func (d delivery) Age() time.Duration { return d.Envelope().Age() }

// Coded implements [host.Call].
func (delivery) Coded(err error) error { return outcome.HandlerError(err) }

// Wait implements [host.Call].
func (d delivery) Wait(f func()) {
	w := dispatch.BeginWait(d.Call)
	defer w.EndWait(d.Call)
	f()
}

// refuse answers a call that has not reached its key's actor.
func refuse(c *dispatch.Call, key string, err error) {
	c.Refuse(coded(key, err))
}

// What refusals suggest: a mailbox empties message by message, and a hook that is
// late already seldom returns in a moment.
const (
	retryFull  = 5 * time.Millisecond
	retryStuck = time.Second
)

// codes gives the errors of package host their sentinels on the wire.
var codes = []struct{ from, to error }{
	{host.ErrActivation, outcome.ErrActivationFailed},
	{host.ErrStuck, outcome.ErrOverloaded},
	{host.ErrMailboxFull, outcome.ErrOverloaded},
	{host.ErrStopping, outcome.ErrDraining},
	{host.ErrCircle, outcome.ErrCircle},
	{host.ErrLapsed, outcome.ErrNotOwner},
	{host.ErrEnded, outcome.ErrTransportNoShardSubscriber},
	{host.ErrUnknownType, outcome.ErrUnknownType},
	{host.ErrDecode, outcome.ErrDecode},
	{host.ErrNotDurable, outcome.ErrNotDurable},
	{host.ErrIDReused, outcome.ErrIDReused},
	{host.ErrBegun, outcome.ErrBegun},
	{host.ErrTooOld, outcome.ErrEnvelopeExpired},
	{host.ErrReplyGone, outcome.ErrEnvelopeExpired},
	{host.ErrManyIDs, outcome.ErrOverloaded},
	{host.ErrEncode, outcome.ErrReply},
	{host.ErrPanicked, outcome.ErrPanicked},
	{host.ErrForgotten, outcome.ErrDraining},
	{host.ErrNotStored, outcome.ErrNotStored},
	{host.ErrKept, outcome.ErrNotStored},
	{host.ErrDeposed, outcome.ErrDeposed},
	{host.ErrInDoubt, outcome.ErrDeposed},
	{host.ErrBadState, outcome.ErrBadState},
}

// coded makes the error of a call from an error of package host. It looks only at the outermost
// error, and never inside: an application's error may wrap one of that package's errors, and would
// pass for the refusal of a call that has run.
func coded(key string, err error) *outcome.Error {
	if e, ok := err.(*outcome.Error); ok { // what was coded before, and what [Setup].Check has said
		return e
	}
	f, ok := err.(*host.Failure)
	if !ok {
		f = &host.Failure{Why: err}
	}
	var code error
	for _, c := range codes {
		if c.from == f.Why { // itself: nothing that it may wrap
			code = c.to
		}
	}
	switch {
	case code == nil:
		return outcome.HandlerError(err)
	case f.Why == host.ErrStuck:
		return outcome.Overloaded(retryStuck, "a hook of key %.64q takes too long", key)
	case f.Why == host.ErrMailboxFull:
		return outcome.Overloaded(retryFull, "the mailbox of key %.64q is full", key)
	case f.Why == host.ErrActivation && f.Cause != nil, f.Why == host.ErrBadState:
		e := told(code, f).WithCause(cause(key, f.Cause))
		e.RetryAfter = f.RetryAfter
		return e
	case f.Why == host.ErrManyIDs:
		return outcome.Overloaded(f.RetryAfter, "%s", f.What)
	case f.Why == host.ErrForgotten, f.Why == host.ErrKept, f.Why == host.ErrInDoubt, f.Why == host.ErrReplyGone:
		return told(code, f).WithOutcome(outcome.MaybeRan)
	case f.Detail() == "":
		return outcome.Errorf(code, "key %.64q: %v", key, f.Why)
	default:
		return told(code, f)
	}
}

// cause is what is behind an activation that has failed, as callers know it.
func cause(key string, err error) error {
	if f, ok := err.(*host.Failure); ok {
		return coded(key, f)
	}
	if errors.Is(err, host.ErrNoStore) {
		return outcome.ErrNoStore
	}
	return err
}

// mostDetail is how many bytes of an error's detail travel: as many as of a handler's error.
const mostDetail = bounds.MaxErrorBytes / 2

// told makes an error with its detail. The detail may come from an application's error, of
// any length.
func told(code error, f *host.Failure) *outcome.Error {
	detail := f.Detail()
	if len(detail) <= mostDetail {
		return outcome.Errorf(code, "%s", detail)
	}
	end := mostDetail
	for !utf8.RuneStart(detail[end]) && mostDetail-end < utf8.UTFMax {
		end--
	}
	e := outcome.Errorf(code, "%s...", detail[:end])
	e.Cut = true
	return e
}
