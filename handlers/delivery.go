package handlers

import (
	"errors"
	"strings"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/transport"
)

// delivery is a call as actors know it: without its envelope.
type delivery struct{ *transport.Call }

var _ actor.Call = delivery{}

// Message implements [actor.Call].
func (d delivery) Message() actor.Message {
	env := d.Envelope()
	return actor.Message{Type: env.Type, Key: env.Key, Data: env.Data, Headers: env.Headers}
}

// Fail implements [actor.Call].
func (d delivery) Fail(err error) {
	d.Call.Fail(coded(d.Envelope().Key, err))
}

// refuse answers a call that its key's actor has not got.
func refuse(c *transport.Call, key string, err error) {
	ours, ok := err.(*transport.Error) // what [Env].Check has said
	if !ok {
		ours = coded(key, err)
	}
	c.Refuse(ours)
}

// What refusals suggest: a mailbox empties message by message, and a hook that is
// late already seldom returns in a moment.
const (
	retryFull  = 5 * time.Millisecond
	retryStuck = time.Second
)

// codes gives the errors of package actor their sentinels on the wire. An
// activation's error has a cause, which may be any: so it goes first. A stuck key
// counts as one with a full mailbox, and goes before that.
var codes = []struct{ from, to error }{
	{actor.ErrActivation, transport.ErrActivationFailed},
	{actor.ErrStuck, transport.ErrOverloaded},
	{actor.ErrMailboxFull, transport.ErrOverloaded},
	{actor.ErrStopping, transport.ErrDraining},
	{actor.ErrLapsed, transport.ErrNotOwner},
	{actor.ErrUnknownType, transport.ErrUnknownType},
	{actor.ErrDecode, transport.ErrDecode},
	{actor.ErrEncode, transport.ErrReply},
}

func coded(key string, err error) *transport.Error {
	for _, code := range codes {
		if !errors.Is(err, code.from) {
			continue
		}
		switch code.from {
		case actor.ErrStuck:
			return transport.Overloaded(retryStuck, "a hook of key %.64q takes too long", key)
		case actor.ErrMailboxFull:
			return transport.Overloaded(retryFull, "the mailbox of key %.64q is full", key)
		case actor.ErrActivation:
			return transport.Errorf(code.to, "%s", why(err, code.from)).WithCause(err)
		}
		return transport.Errorf(code.to, "%s", why(err, code.from))
	}
	return transport.HandlerError(err)
}

// why is what err says beyond its sentinel, whose words the code's repeat.
func why(err, sentinel error) string {
	all := err.Error()
	if more := strings.TrimLeft(strings.TrimPrefix(all, sentinel.Error()), ": "); more != "" {
		return more
	}
	return all
}
