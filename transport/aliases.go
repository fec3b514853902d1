// The names of package outcome

package transport

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// What is said of a call is package outcome's; these are its names.
type (
	// Error is what every failed call returns: a code, an outcome and a message.
	Error = outcome.Error
	// Outcome says what is known about the work of a call that failed.
	Outcome = outcome.Outcome
	// DrainCounts is what a shard's move has cost callers.
	DrainCounts = outcome.DrainCounts
)

// The outcomes. NotSent and NotStarted never ran.
const (
	Succeeded    = outcome.Succeeded
	NotSent      = outcome.NotSent
	NotStarted   = outcome.NotStarted
	MaybeRan     = outcome.MaybeRan
	RanAndFailed = outcome.RanAndFailed
)

// The bounds on what travels of a handler's error.
const (
	MaxErrorNodes = outcome.MaxErrorNodes
	MaxErrorDepth = outcome.MaxErrorDepth
	MaxErrorBytes = outcome.MaxErrorBytes
)

// The sentinels, each described in package outcome.
var (
	ErrTransportClosed            = outcome.ErrTransportClosed
	ErrTransportNoShardSubscriber = outcome.ErrTransportNoShardSubscriber
	ErrNotOwner                   = outcome.ErrNotOwner
	ErrDisconnected               = outcome.ErrDisconnected
	ErrConnectionLost             = outcome.ErrConnectionLost
	ErrNotPermitted               = outcome.ErrNotPermitted
	ErrEnvelopeExpired            = outcome.ErrEnvelopeExpired
	ErrReservedHeader             = outcome.ErrReservedHeader
	ErrBadEnvelope                = outcome.ErrBadEnvelope
	ErrTooLarge                   = outcome.ErrTooLarge
	ErrReplyTooLarge              = outcome.ErrReplyTooLarge
	ErrInvalidMessage             = outcome.ErrInvalidMessage
	ErrEncode                     = outcome.ErrEncode
	ErrDecode                     = outcome.ErrDecode
	ErrReply                      = outcome.ErrReply
	ErrHandlerTimeout             = outcome.ErrHandlerTimeout
	ErrPanicked                   = outcome.ErrPanicked
	ErrKeyRequired                = outcome.ErrKeyRequired
	ErrMissingKeyHeader           = outcome.ErrMissingKeyHeader
	ErrOverloaded                 = outcome.ErrOverloaded
	ErrFromHandler                = outcome.ErrFromHandler
	ErrHandedBack                 = outcome.ErrHandedBack
	ErrCircle                     = outcome.ErrCircle
	ErrDraining                   = outcome.ErrDraining
	ErrActivationFailed           = outcome.ErrActivationFailed
	ErrLayoutMismatch             = outcome.ErrLayoutMismatch
	ErrShardOutOfRange            = outcome.ErrShardOutOfRange
	ErrUnknownKind                = outcome.ErrUnknownKind
	ErrBadOption                  = outcome.ErrBadOption
	ErrUnknownType                = outcome.ErrUnknownType
)

// OutcomeOf returns what err says about the work.
func OutcomeOf(err error) Outcome { return outcome.Of(err) }

// CodeOf returns the stable code of err.
func CodeOf(err error) string { return outcome.CodeOf(err) }

// RetryAfter returns the pause that a refusal asks for.
func RetryAfter(err error) (time.Duration, bool) { return outcome.RetryAfter(err) }

// Errorf makes the error of a sentinel.
func Errorf(sentinel error, format string, args ...any) *Error {
	return outcome.Errorf(sentinel, format, args...)
}

// Overloaded makes an ErrOverloaded with a hint when to try again.
func Overloaded(after time.Duration, format string, args ...any) *Error {
	return outcome.Overloaded(after, format, args...)
}

// ContextError makes the error of a caller whose context has ended.
func ContextError(err error, o Outcome) *Error { return outcome.ContextError(err, o) }

// Annotate gives err the words of what the caller was doing.
func Annotate(err error, op string) error { return outcome.Annotate(err, op) }

// HandlerError makes what the caller sees of an error that a handler returned.
func HandlerError(err error) *Error { return outcome.HandlerError(err) }

// Resolve makes an error of what came over the wire.
func Resolve(e *Error) *Error { return outcome.Resolve(e) }

// RegisterError gives a sentinel of the application a code, so that errors.Is finds it
// on the caller's side.
func RegisterError(code string, sentinel error) { outcome.RegisterError(code, sentinel) }

// RegisterErrorType gives an error type of the application a code, so that errors.As
// finds its values on the caller's side.
func RegisterErrorType[E error](code string) { outcome.RegisterErrorType[E](code) }
