// Errors and outcomes that live elsewhere, in the order of exports.go

package cluster

import (
	"time"

	"github.com/clstr-go/clstr/transport"
)

// Errors hold under errors.Is on the caller's side of every transport; each is
// described in package transport.
var (
	ErrTransportClosed            = transport.ErrTransportClosed
	ErrTransportNoShardSubscriber = transport.ErrTransportNoShardSubscriber
	ErrNotOwner                   = transport.ErrNotOwner
	ErrDisconnected               = transport.ErrDisconnected
	ErrConnectionLost             = transport.ErrConnectionLost
	ErrNotPermitted               = transport.ErrNotPermitted

	ErrEnvelopeExpired = transport.ErrEnvelopeExpired
	ErrReservedHeader  = transport.ErrReservedHeader
	ErrBadEnvelope     = transport.ErrBadEnvelope
	ErrTooLarge        = transport.ErrTooLarge
	ErrReplyTooLarge   = transport.ErrReplyTooLarge
	ErrInvalidMessage  = transport.ErrInvalidMessage
	ErrEncode          = transport.ErrEncode
	ErrDecode          = transport.ErrDecode
	ErrReply           = transport.ErrReply

	ErrHandlerTimeout   = transport.ErrHandlerTimeout
	ErrPanicked         = transport.ErrPanicked
	ErrKeyRequired      = transport.ErrKeyRequired
	ErrMissingKeyHeader = transport.ErrMissingKeyHeader
	ErrOverloaded       = transport.ErrOverloaded
	ErrDraining         = transport.ErrDraining
	ErrHandedBack       = transport.ErrHandedBack
	ErrFromHandler      = transport.ErrFromHandler
	ErrCircle           = transport.ErrCircle
	ErrActivationFailed = transport.ErrActivationFailed
	ErrLayoutMismatch   = transport.ErrLayoutMismatch
	ErrShardOutOfRange  = transport.ErrShardOutOfRange
	ErrUnknownKind      = transport.ErrUnknownKind
	ErrUnknownType      = transport.ErrUnknownType
	ErrBadOption        = transport.ErrBadOption
)

// Error is what every failed call returns: a code, an outcome and a message.
type Error = transport.Error

// Outcome says what is known about the work of a call that failed.
type Outcome = transport.Outcome

// The outcomes. NotSent and NotStarted never ran.
const (
	Succeeded    = transport.Succeeded
	NotSent      = transport.NotSent
	NotStarted   = transport.NotStarted
	MaybeRan     = transport.MaybeRan
	RanAndFailed = transport.RanAndFailed
)

// OutcomeOf returns what err says about the work.
func OutcomeOf(err error) Outcome { return transport.OutcomeOf(err) }

// CodeOf returns the stable code of err.
func CodeOf(err error) string { return transport.CodeOf(err) }

// RetryAfter returns the pause that a refusal asks for.
func RetryAfter(err error) (time.Duration, bool) { return transport.RetryAfter(err) }

// RegisterError gives a sentinel of the application a code, so that errors.Is
// finds it on the caller's side.
func RegisterError(code string, sentinel error) { transport.RegisterError(code, sentinel) }

// RegisterErrorType gives an error type of the application a code, so that
// errors.As finds its values on the caller's side.
func RegisterErrorType[E error](code string) { transport.RegisterErrorType[E](code) }
