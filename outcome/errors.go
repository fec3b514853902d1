// The sentinels, each with its code and outcome

package outcome

import (
	"context"
	"errors"
)

// The sentinels of this package hold under errors.Is on the caller's side of
// every transport. Each says when you get it and what to do about it; its code
// and its outcome are in the table below.
var (
	// ErrTransportClosed: this end's transport was closed. Nothing was sent.
	ErrTransportClosed = errors.New("transport closed")
	// ErrTransportNoShardSubscriber: no node serves the shard. Nothing ran:
	// start the owner, or list the error in the client's retry options.
	ErrTransportNoShardSubscriber = errors.New("no subscriber for shard")
	// ErrNotOwner: the node does not serve the shard, or not now: the shard is being handed
	// over, or the node's lease has ended. Nothing ran, and the client finds the owner and
	// tries again. If [Of] says MaybeRan, the call may have run: the owner died, or lost
	// the shard, meanwhile.
	ErrNotOwner = errors.New("not the shard's owner")
	// ErrDisconnected: the connection to the message server is down. Nothing
	// was sent.
	ErrDisconnected = errors.New("not connected")
	// ErrConnectionLost: the connection went away while a request was on its
	// way. It may have run.
	ErrConnectionLost = errors.New("connection lost")

	// ErrNotPermitted: the message server does not permit this connection to use the
	// subject. Nothing ran: mend its permissions.
	ErrNotPermitted = errors.New("not permitted")

	// ErrEnvelopeExpired: the TTL ended before the handler started. Nothing ran.
	ErrEnvelopeExpired = errors.New("envelope TTL expired")
	// ErrReservedHeader: the caller has set a header that starts with "x-clstr-".
	ErrReservedHeader = errors.New("cannot set reserved header")
	// ErrBadEnvelope: the envelope cannot be sent or decoded; the message
	// says what is wrong and what is allowed.
	ErrBadEnvelope = errors.New("bad envelope")
	// ErrTooLarge: the message is over the server's payload limit. Nothing was
	// sent.
	ErrTooLarge = errors.New("message too large")
	// ErrReplyTooLarge: the handler ran, and its reply is over the server's
	// payload limit.
	ErrReplyTooLarge = errors.New("reply too large")
	// ErrInvalidMessage: the payload's own Validate method refuses it, or its type
	// would lose a part of itself on the way. The message names the field, and what to do about
	// it. Nothing was sent.
	ErrInvalidMessage = errors.New("invalid message")
	// ErrEncode: the request's payload does not marshal. Nothing was sent.
	ErrEncode = errors.New("payload does not marshal")
	// ErrDecode: the payload does not unmarshal on the node, or its own code panics
	// there. The handler did not run, and the entity keeps its state.
	ErrDecode = errors.New("payload does not unmarshal")
	// ErrReply: the handler ran, and its reply does not marshal, or does not
	// unmarshal at the caller. The entity keeps its state.
	ErrReply = errors.New("unusable reply")

	// ErrHandlerTimeout: the handler was still running at the node's handler
	// timeout. What it did until then, or does later, is unknown.
	ErrHandlerTimeout = errors.New("handler exceeded deadline")
	// ErrPanicked: the handler panicked. What it did until then is unknown; the
	// key recovers with a fresh actor, and the stack is in the node's log.
	ErrPanicked = errors.New("handler panicked")
	// ErrKeyRequired: a call by key with an empty key.
	ErrKeyRequired = errors.New("key is required")
	// ErrMissingKeyHeader: a message to a shard has reached a handler that
	// hosts keys. Send it by key.
	ErrMissingKeyHeader = errors.New("missing x-clstr-key header")
	// ErrOverloaded: a bound was reached (the key's mailbox, the shard's
	// pending calls). Nothing ran; [RetryAfter] gives a hint.
	ErrOverloaded = errors.New("overloaded")
	// ErrFromHandler: a handler or a hook has made a call that ends its own transport or
	// node, or that waits for a drain of it. The call would wait for itself, so nothing was
	// done. Make the call from another goroutine that the handler does not wait for. The
	// library cannot see whether the handler waits for that goroutine. If it does, the call
	// gives up as for a handler that ignores the end of its context, or after 35 s if
	// handlers have no limit.
	ErrFromHandler = errors.New("called from a handler")
	// ErrHandedBack: the node is leaving, or the shard moves, and the handler that owed the
	// answer has declared that the call has had no effect. The client asks the next owner.
	ErrHandedBack = errors.New("handed back")
	// ErrCircle: the key that was asked waits for the handler that asks, directly or by
	// way of other keys: the answer would never come. The message names the keys. Nothing ran, and
	// the client does not try again: see docs/reliability.md for the ways out.
	ErrCircle = errors.New("requests in a circle")
	// ErrDraining: the node is leaving. Nothing ran, and the client tries again. If [Of]
	// says MaybeRan, the call may have run: its answer was owed when the node, or the key,
	// ended.
	ErrDraining = errors.New("draining")
	// ErrActivationFailed: the key's actor could not be made. The message has
	// the cause. Nothing ran, and [RetryAfter] says when the key is tried again.
	ErrActivationFailed = errors.New("activation failed")
	// ErrLayoutMismatch: the caller's shard count or seed differs from the node's.
	// Nothing ran: give both the same values.
	ErrLayoutMismatch = errors.New("layout mismatch")
	// ErrShardOutOfRange: the shard is not below the shard count.
	ErrShardOutOfRange = errors.New("shard out of range")
	// ErrUnknownKind: the node hosts no entity of that kind.
	ErrUnknownKind = errors.New("unknown kind")
	// ErrBadOption: an option is missing or out of range; the message names it
	// and what is allowed.
	ErrBadOption = errors.New("bad option")
	// ErrNotStored: the store does not take the entity's state: it is full, or the state is
	// over the limit or does not marshal. The method ran, and nothing of it was kept.
	ErrNotStored = errors.New("the state was not stored")
	// ErrBadState: the entity's stored state cannot be read: something else wrote it, a newer
	// version of the program did, or its Upgrade failed. The message names the record. Nothing
	// ran; other keys are not concerned.
	ErrBadState = errors.New("the stored state cannot be read")
	// ErrNoStore: the node cannot reach the store of state, or was given none. It is the cause of
	// an ErrActivationFailed. Nothing ran.
	ErrNoStore = errors.New("no store of state")
	// ErrUnknownType: the entity has no handler for the message type.
	ErrUnknownType = errors.New("unknown message type")

	// ErrNotDurable: the message has an ID, but the entity keeps no state, so it
	// could not recognise the ID later. Nothing ran. Send without an ID, or make the entity
	// durable.
	ErrNotDurable = errors.New("an ID needs a durable entity")
	// ErrIDReused: the key has carried out another message with this ID. This one did not
	// run: give each command an ID of its own.
	ErrIDReused = errors.New("the ID belongs to another command")
	// ErrBegun: an earlier try of the command has run in part: what it had saved is stored, and its
	// reply never was. The key does not run the command again, because that part would take effect
	// twice. Ask the key how it stands, and go on with a new ID.
	ErrBegun = errors.New("the command was begun, and has not ended")
	// ErrDeposed: the store has refused the handler's change, because another
	// node has opened the shard. The handler ran, and nothing of its change was kept. If [Of]
	// says MaybeRan, that is not known. The client tries again if the call has an ID.
	ErrDeposed = errors.New("deposed: the shard has another owner")
)

// The codes of errors that no sentinel of ours stands for.
const (
	codeDeadline    = "deadline"    // context.DeadlineExceeded
	codeCanceled    = "canceled"    // context.Canceled
	codeApplication = "application" // a handler's error that is not registered
	codeInternal    = "internal"    // neither: a transport that is not ours
)

// builtin lists the library's codes. They are part of the wire format: add,
// never change.
var builtin = []struct {
	code    string
	err     error
	outcome Outcome
}{
	{"transport_closed", ErrTransportClosed, NotSent},
	{"no_subscriber", ErrTransportNoShardSubscriber, NotStarted},
	{"not_owner", ErrNotOwner, NotStarted},
	{"disconnected", ErrDisconnected, NotSent},
	{"connection_lost", ErrConnectionLost, MaybeRan},
	{"not_permitted", ErrNotPermitted, NotStarted},
	{"expired", ErrEnvelopeExpired, NotStarted},
	{"reserved_header", ErrReservedHeader, NotSent},
	{"bad_envelope", ErrBadEnvelope, NotSent},
	{"too_large", ErrTooLarge, NotSent},
	{"reply_too_large", ErrReplyTooLarge, RanAndFailed},
	{"invalid_message", ErrInvalidMessage, NotSent},
	{"encode", ErrEncode, NotSent},
	{"bad_payload", ErrDecode, NotStarted},
	{"reply", ErrReply, RanAndFailed},
	{"handler_timeout", ErrHandlerTimeout, MaybeRan},
	{"panicked", ErrPanicked, MaybeRan},
	{"key_required", ErrKeyRequired, NotSent},
	{"missing_key", ErrMissingKeyHeader, NotStarted},
	{"overloaded", ErrOverloaded, NotStarted},
	{"draining", ErrDraining, NotStarted},
	{"handed_back", ErrHandedBack, NotStarted},
	{"circle", ErrCircle, NotStarted},
	{"activation_failed", ErrActivationFailed, NotStarted},
	{"layout_mismatch", ErrLayoutMismatch, NotStarted},
	{"shard_out_of_range", ErrShardOutOfRange, NotSent},
	{"unknown_kind", ErrUnknownKind, NotStarted},
	{"unknown_type", ErrUnknownType, NotStarted},
	{"not_durable", ErrNotDurable, NotStarted},
	{"id_reused", ErrIDReused, NotStarted},
	{"begun", ErrBegun, MaybeRan},
	{"deposed", ErrDeposed, RanAndFailed},
	{"not_stored", ErrNotStored, RanAndFailed},
	{"bad_state", ErrBadState, NotStarted},
	{"no_store", ErrNoStore, NotStarted},
	{"bad_option", ErrBadOption, NotSent},
	{"from_handler", ErrFromHandler, NotSent},
	{codeDeadline, context.DeadlineExceeded, MaybeRan},
	{codeCanceled, context.Canceled, MaybeRan},
}
