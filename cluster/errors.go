// Errors and outcomes that live elsewhere, in the order of exports.go

package cluster

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// Errors hold under errors.Is on the caller's side of every transport; each is
// described in package outcome.
var (
	ErrTransportClosed            = outcome.ErrTransportClosed
	ErrTransportNoShardSubscriber = outcome.ErrTransportNoShardSubscriber
	ErrNotOwner                   = outcome.ErrNotOwner
	ErrDisconnected               = outcome.ErrDisconnected
	ErrConnectionLost             = outcome.ErrConnectionLost
	ErrNotPermitted               = outcome.ErrNotPermitted

	ErrEnvelopeExpired = outcome.ErrEnvelopeExpired
	ErrReservedHeader  = outcome.ErrReservedHeader
	ErrBadEnvelope     = outcome.ErrBadEnvelope
	ErrTooLarge        = outcome.ErrTooLarge
	ErrReplyTooLarge   = outcome.ErrReplyTooLarge
	ErrInvalidMessage  = outcome.ErrInvalidMessage
	ErrEncode          = outcome.ErrEncode
	ErrDecode          = outcome.ErrDecode
	ErrUnknownCodec    = outcome.ErrUnknownCodec
	ErrReply           = outcome.ErrReply

	ErrHandlerTimeout   = outcome.ErrHandlerTimeout
	ErrPanicked         = outcome.ErrPanicked
	ErrKeyRequired      = outcome.ErrKeyRequired
	ErrMissingKeyHeader = outcome.ErrMissingKeyHeader
	ErrOverloaded       = outcome.ErrOverloaded
	ErrDraining         = outcome.ErrDraining
	ErrHandedBack       = outcome.ErrHandedBack
	ErrFromHandler      = outcome.ErrFromHandler
	ErrOutOfOrder       = outcome.ErrOutOfOrder
	ErrCircle           = outcome.ErrCircle
	ErrActivationFailed = outcome.ErrActivationFailed
	ErrLayoutMismatch   = outcome.ErrLayoutMismatch
	ErrShardOutOfRange  = outcome.ErrShardOutOfRange
	ErrUnknownKind      = outcome.ErrUnknownKind
	ErrUnknownType      = outcome.ErrUnknownType
	ErrNotDurable       = outcome.ErrNotDurable
	ErrIDReused         = outcome.ErrIDReused
	ErrBegun            = outcome.ErrBegun
	ErrDeposed          = outcome.ErrDeposed
	ErrNotStored        = outcome.ErrNotStored
	ErrBadState         = outcome.ErrBadState
	ErrNoStore          = outcome.ErrNoStore
	ErrBadOption        = outcome.ErrBadOption
)

// Error is what every failed call returns: a code, an outcome and a message. [outcome.Error]
// has its fields and methods.
type Error = outcome.Error

// Outcome says what is known about the work of a call that failed. [outcome.Outcome] has its
// values and methods.
type Outcome = outcome.Outcome

// The outcomes. A call that ends in NotSent or NotStarted never ran.
const (
	Succeeded    = outcome.Succeeded
	NotSent      = outcome.NotSent
	NotStarted   = outcome.NotStarted
	MaybeRan     = outcome.MaybeRan
	RanAndFailed = outcome.RanAndFailed
)

// OutcomeOf returns what err says about the work.
func OutcomeOf(err error) Outcome { return outcome.Of(err) }

// CodeOf returns the stable code of err.
func CodeOf(err error) string { return outcome.CodeOf(err) }

// RetryAfter returns the pause that a refusal asks for.
func RetryAfter(err error) (time.Duration, bool) { return outcome.RetryAfter(err) }

// RegisterError gives a sentinel of the application a code, so that errors.Is
// finds it on the caller's side.
func RegisterError(code string, sentinel error) { outcome.RegisterError(code, sentinel) }

// RegisterErrorType gives an error type of the application a code, so that
// errors.As finds its values on the caller's side.
func RegisterErrorType[E error](code string) { outcome.RegisterErrorType[E](code) }
