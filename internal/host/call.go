// Call, the way back to the sender of a message; Message

package host

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// Call is the way back to the sender of a message, and the message's context:
// it ends at the sender's deadline or cancellation, or when it was answered.
type Call interface {
	context.Context
	// Message returns the message, but for its Data: that is made when it is asked for. Its Key is not used: the
	// host has been given one.
	Message() Message
	// Data returns the message's bytes.
	Data() []byte
	// Borrow is Data for code that changes nothing of it, and keeps nothing of it beyond the turn.
	Borrow() []byte
	// Plain returns the message as a value of the type; nil if it has come in another form.
	Plain(of *plain.Type) *plain.Value
	// Start is called before the message is handled. False means that the sender does not
	// wait any more: skip the message, and do not call End. It is false if Err is not nil.
	Start(pool.Slot) bool
	// Reply answers with what the handler returned; it copies data if it must.
	Reply(data []byte, err error)
	// ReplyOwned is Reply for a slice that the handler gives away.
	ReplyOwned(data []byte)
	// Wants reports whether the sender takes a reply that is a value of the type.
	Wants(of *plain.Type) bool
	// ReplyValue is Reply for a value that the sender wants.
	ReplyValue(plain.Value)
	// Fail answers with an error of the library.
	Fail(err *outcome.Error)
	// Wait calls f, which waits, and gives the handler's place among the running handlers to
	// another meanwhile.
	Wait(f func())
	// Age is how long ago the first try of a message with an ID was.
	Age() time.Duration
	// Panicked answers for a handler that has panicked with the given value,
	// while its stack is still there.
	Panicked(value any)
	// AfterAnswer calls f once the call was answered, at once if it was. Each f is called, in
	// the order in which they came.
	AfterAnswer(f func())
	// OnDrain calls tell once if the call is still open when the shard begins to drain, or the node
	// to end. If that has begun already, it calls tell at once. tell must not block.
	OnDrain(tell func())
	// Given says that an answer which was left open is there, and leaves later by itself: a
	// drain waits for it.
	Given()
	// NoEffect declares that the call has had no effect at the actor so far, or takes that back. A
	// call without effect may go back to its sender. NoEffect returns false if the call has ended.
	NoEffect(none bool) bool
	// HandBack gives back a request that has had no effect, so that its sender asks the next
	// owner. For any other call it does nothing and returns false.
	HandBack() bool
	// AwaitsReply is false for a notification.
	AwaitsReply() bool
	// Waiting returns the turns that wait for the answer, the nearest first; nil if
	// none does.
	Waiting() *Turn
	// StopHook returns the role of the stop hook that waits for the call, or has sent it;
	// [turn.Key] if there is none, [turn.Stop] if the hook's shard does not end yet.
	StopHook() turn.Role
	// Turn returns the turn of the handler that runs; nil while that has asked nothing.
	Turn() *Turn
	// Queued says where the message stands in line, behind the turn that runs there, until the
	// message starts or is answered.
	Queued(Place)
	// End is called when the handler has returned.
	End()
	// Spent is called when the handler has returned. If the call was answered, and no code could notice that its
	// memory is used again, Spent returns what stands in for the call from now on. Otherwise it returns nil.
	Spent() Past
	// EndLast is End for a call whose Spent was not nil. Afterwards the call must not be used, because it may
	// have become another.
	EndLast()
	// IsAlone is called when the handler of a message has returned without an error. It reports whether the message is a
	// notification whose sender has gone on, and no code but the handler has got hold of the call.
	IsAlone() bool
	// Past returns what stands in for a call that EndAlone ends.
	Past() Past
	// EndAlone is Reply without data and EndLast, for a call for which IsAlone has returned true. If that is not true any more,
	// EndAlone does nothing and returns false.
	EndAlone() bool
}

// Past stands in for a call that may have become another.
type Past interface {
	// Ended makes a call that has ended.
	Ended() Call
}

// Message is what travels to a key.
type Message struct {
	Type    string
	Key     string
	Data    []byte
	Headers map[string]string
	ID      string // of the command that it is; empty for none
	Codec   string // of Data and the reply, unless they are protobuf messages; empty for JSON
}
