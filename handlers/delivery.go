package handlers

import (
	"errors"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/transport"
)

// delivery is a call as actors know it: without its envelope.
type delivery struct{ *transport.Call }

var _ actor.Call = delivery{}

// Fail implements [actor.Call].
func (d delivery) Fail(err error) { d.Call.Fail(coded(d.Call, err)) }

func refuse(c *transport.Call, err error) {
	var ours *transport.Error
	switch {
	case errors.As(err, &ours):
		c.Refuse(ours)
	case isActorError(err):
		c.Refuse(coded(c, err))
	default: // a scoped handler's Extract has failed: the application's error
		c.Reply(nil, err)
	}
}

// retryHint is what a full mailbox suggests.
const retryHint = 5 * time.Millisecond

// codes gives the errors of package actor their sentinels on the wire.
var codes = []struct{ from, to error }{
	{actor.ErrStopping, transport.ErrDraining},
	{actor.ErrActivation, transport.ErrActivationFailed},
	{actor.ErrUnknownType, transport.ErrUnknownType},
	{actor.ErrDecode, transport.ErrDecode},
	{actor.ErrEncode, transport.ErrReply},
}

func isActorError(err error) bool {
	if errors.Is(err, actor.ErrMailboxFull) {
		return true
	}
	for _, c := range codes {
		if errors.Is(err, c.from) {
			return true
		}
	}
	return false
}

func coded(c *transport.Call, err error) *transport.Error {
	if errors.Is(err, actor.ErrMailboxFull) {
		return transport.Overloaded(retryHint, "the mailbox of key %q is full", c.Envelope().Key)
	}
	for _, code := range codes {
		if errors.Is(err, code.from) {
			e := transport.Errorf(code.to, "%v", err)
			if code.from == actor.ErrActivation {
				e = e.WithCause(err)
			}
			return e
		}
	}
	return transport.HandlerError(err)
}
