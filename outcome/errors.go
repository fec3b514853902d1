// The sentinels, each with its code and outcome

package outcome

import (
	"context"
	"errors"
)

// The sentinels of this package hold under errors.Is on the caller's side of
// every transport. Each says when you get it and what to do about it, and has its code and its
// outcome beside it.
var (
	// ErrTransportClosed: this end's transport was closed. Nothing was sent.
	ErrTransportClosed = sentinel("transport_closed", NotSent, "transport closed")
	// ErrTransportNoShardSubscriber: no node serves the shard. Nothing ran:
	// start the owner, or list the error in the client's retry options.
	ErrTransportNoShardSubscriber = sentinel("no_subscriber", NotStarted, "no subscriber for shard")
	// ErrNotOwner: the node does not serve the shard, or not now: the shard is being handed
	// over, or the node's lease has ended. Nothing ran, and the client finds the owner and
	// tries again. If [Of] says MaybeRan, the call may have run: the node lost the shard
	// while the call ran.
	ErrNotOwner = sentinel("not_owner", NotStarted, "not the shard's owner")
	// ErrDisconnected: the connection to the message server is down. Nothing
	// was sent.
	ErrDisconnected = sentinel("disconnected", NotSent, "not connected")
	// ErrConnectionLost: the connection went away while a request was on its way, or the node
	// that had the request has died or fallen silent. It may have run.
	ErrConnectionLost = sentinel("connection_lost", MaybeRan, "connection lost")

	// ErrNotPermitted: the message server does not permit this connection to use the
	// subject. Nothing ran: mend its permissions.
	ErrNotPermitted = sentinel("not_permitted", NotStarted, "not permitted")

	// ErrEnvelopeExpired: the TTL ended before the handler started. Nothing ran.
	ErrEnvelopeExpired = sentinel("expired", NotStarted, "envelope TTL expired")
	// ErrReservedHeader: the caller has set a header that starts with "x-clstr-".
	ErrReservedHeader = sentinel("reserved_header", NotSent, "cannot set reserved header")
	// ErrBadEnvelope: the envelope cannot be sent or decoded; the message
	// says what is wrong and what is allowed.
	ErrBadEnvelope = sentinel("bad_envelope", NotSent, "bad envelope")
	// ErrTooLarge: the message is over the server's payload limit. Nothing was
	// sent.
	ErrTooLarge = sentinel("too_large", NotSent, "message too large")
	// ErrReplyTooLarge: the handler ran, and its reply is over the server's
	// payload limit.
	ErrReplyTooLarge = sentinel("reply_too_large", RanAndFailed, "reply too large")
	// ErrInvalidMessage: the payload's own Validate method refuses it, or its type
	// would lose a part of itself on the way. The message names the field, and what to do about
	// it. Nothing was sent.
	ErrInvalidMessage = sentinel("invalid_message", NotSent, "invalid message")
	// ErrEncode: the request's payload does not marshal. Nothing was sent.
	ErrEncode = sentinel("encode", NotSent, "payload does not marshal")
	// ErrDecode: the payload does not unmarshal on the node, or its own code panics
	// there. The handler did not run, and the entity keeps its state.
	ErrDecode = sentinel("bad_payload", NotStarted, "payload does not unmarshal")
	// ErrUnknownCodec: the node's program does not link the codec that the message names. The text
	// lists the codecs that it knows. The handler did not run. Import the codec's package in the nodes' program.
	ErrUnknownCodec = sentinel("unknown_codec", NotStarted, "unknown codec")
	// ErrReply: the handler ran, and its reply does not marshal, or does not
	// unmarshal at the caller. The entity keeps its state.
	ErrReply = sentinel("reply", RanAndFailed, "unusable reply")

	// ErrHandlerTimeout: the handler was still running at the node's handler
	// timeout. What it did until then, or does later, is unknown.
	ErrHandlerTimeout = sentinel("handler_timeout", MaybeRan, "handler exceeded deadline")
	// ErrPanicked: the handler panicked. What it did until then is unknown; the
	// key recovers with a fresh actor, and the stack is in the node's log.
	ErrPanicked = sentinel("panicked", MaybeRan, "handler panicked")
	// ErrKeyRequired: a call by key with an empty key.
	ErrKeyRequired = sentinel("key_required", NotSent, "key is required")
	// ErrMissingKeyHeader: a message to a shard has reached a handler that
	// hosts keys. Send it by key.
	ErrMissingKeyHeader = sentinel("missing_key", NotStarted, "missing x-clstr-key header")
	// ErrOverloaded: a bound was reached (the key's mailbox, the shard's
	// pending calls). Nothing ran; [RetryAfter] gives a hint.
	ErrOverloaded = sentinel("overloaded", NotStarted, "overloaded")
	// ErrFromHandler: a handler or a hook has made a call that ends its own transport or
	// node, or that waits for a drain of it. Or a log handler, a metric or a store has called
	// the stop of its own node. The call would wait for itself, so nothing was
	// done. Make the call from another goroutine that the handler does not wait for. The
	// library cannot see whether the handler waits for that goroutine. If it does, the call
	// gives up as for a handler that ignores the end of its context, or after 35 s if
	// handlers have no limit.
	ErrFromHandler = sentinel("from_handler", NotSent, "called from a handler")
	// ErrHandedBack: the node is leaving, or the shard moves, and the handler that owed the
	// answer has declared that the call has had no effect. The client asks the next owner.
	ErrHandedBack = sentinel("handed_back", NotStarted, "handed back")
	// ErrOutOfOrder: a notification of NotifyAsync names an earlier one that it comes behind, and the node
	// has not accepted that one. Nothing ran. The client sends both again, in order.
	ErrOutOfOrder = sentinel("out_of_order", NotStarted, "out of order")
	// ErrCircle: the key that was asked waits for the handler that asks, directly or by
	// way of other keys: the answer would never come. The message names the keys. Nothing ran, and
	// the client does not try again: see docs/reliability.md for the ways out.
	ErrCircle = sentinel("circle", NotStarted, "requests in a circle")
	// ErrDraining: the node is leaving. Nothing ran, and the client tries again. If [Of]
	// says MaybeRan, the call may have run: its answer was owed when the node, or the key,
	// ended.
	ErrDraining = sentinel("draining", NotStarted, "draining")
	// ErrActivationFailed: the key's actor could not be made. The message has
	// the cause. Nothing ran, and [RetryAfter] says when the key is tried again.
	ErrActivationFailed = sentinel("activation_failed", NotStarted, "activation failed")
	// ErrLayoutMismatch: the caller's shard count or seed differs from the node's.
	// Nothing ran: give both the same values.
	ErrLayoutMismatch = sentinel("layout_mismatch", NotStarted, "layout mismatch")
	// ErrShardOutOfRange: the shard is not below the shard count.
	ErrShardOutOfRange = sentinel("shard_out_of_range", NotSent, "shard out of range")
	// ErrUnknownKind: the node hosts no entity of that kind.
	ErrUnknownKind = sentinel("unknown_kind", NotStarted, "unknown kind")
	// ErrBadOption: an option is missing or out of range; the message names it
	// and what is allowed.
	ErrBadOption = sentinel("bad_option", NotSent, "bad option")
	// ErrNotStored: the store does not take the entity's state: the store is full, the state is
	// over the limit or does not marshal, the key is too long for the database, or the store has
	// failed with this change for about 10 s. The method ran, and nothing of it was kept.
	ErrNotStored = sentinel("not_stored", RanAndFailed, "the state was not stored")
	// ErrBadState: the entity's stored state cannot be read: something else wrote it, a newer
	// version of the program did, or its Upgrade failed. The message names the record. Nothing
	// ran; other keys are not concerned.
	ErrBadState = sentinel("bad_state", NotStarted, "the stored state cannot be read")
	// ErrNoStore: the node cannot reach the store of state, or was given none. It is the cause of
	// an ErrActivationFailed. Nothing ran.
	ErrNoStore = sentinel("no_store", NotStarted, "no store of state")
	// ErrUnknownType: the entity has no handler for the message type.
	ErrUnknownType = sentinel("unknown_type", NotStarted, "unknown message type")

	// ErrNotDurable: the message has an ID, but the entity keeps no state, so it
	// could not recognise the ID later. Nothing ran. Send without an ID, or make the entity
	// durable.
	ErrNotDurable = sentinel("not_durable", NotStarted, "an ID needs a durable entity")
	// ErrIDReused: the key has carried out another message with this ID. This one did not
	// run: give each command an ID of its own.
	ErrIDReused = sentinel("id_reused", NotStarted, "the ID belongs to another command")
	// ErrBegun: an earlier try of the command has run in part: what it had saved is stored, and its
	// reply never was. The key does not run the command again, because that part would take effect
	// twice. Ask the key how it stands, and go on with a new ID.
	ErrBegun = sentinel("begun", MaybeRan, "the command was begun, and has not ended")
	// ErrDeposed: the store has refused the handler's change, because another
	// node has opened the shard. The handler ran, and nothing of its change was kept. If [Of]
	// says MaybeRan, that is not known. The client tries again if the call has an ID.
	ErrDeposed = sentinel("deposed", RanAndFailed, "deposed: the shard has another owner")
)

// The codes of errors that no sentinel of ours stands for.
const (
	codeDeadline    = "deadline"    // context.DeadlineExceeded
	codeCanceled    = "canceled"    // context.Canceled
	codeApplication = "application" // a handler's error that is not registered
	codeInternal    = "internal"    // neither: a transport that is not ours
)

// builtin has the library's errors: the sentinels add themselves. The codes are part of the wire
// format: add, never change.
var builtin = []coded{
	{codeDeadline, context.DeadlineExceeded, MaybeRan},
	{codeCanceled, context.Canceled, MaybeRan},
}

type coded struct {
	code    string
	err     error
	outcome Outcome
}

// sentinel makes an error of the library.
func sentinel(code string, o Outcome, text string) error {
	err := errors.New(text)
	builtin = append(builtin, coded{code, err, o})
	return err
}
