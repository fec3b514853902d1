// Messages and replies as Go values, of callers in this process

package dispatch

import (
	"context"
	"maps"
	"slices"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/transport"
)

// Carrier is implemented by backends that hand over messages as Go values in their process.
type Carrier interface {
	Sender
	// Takes reports whether Carry would hand over a value that is sent to a shard now. If the shard's owner is in another
	// process, Carry encodes the value, which costs more than bytes would. It must not block.
	Takes(shard uint32) bool
	// Carry is the transport's Request for an envelope that was stamped just now and has passed Validate, and for a message
	// that may be a value. If message is the zero Value, the payload is env's Data. If the handler answers with a value of
	// the type want, reply is that value. Otherwise data is the reply. want may be nil. The message may be sent again only if
	// it never ran: once it has run, its memory may be another message's. With lends, data may be a part of a larger message:
	// the sender must keep nothing of it.
	Carry(ctx context.Context, env transport.Envelope, message plain.Value, want *plain.Type, lends bool) (data []byte, reply plain.Value, err error)
}

// Prompt is implemented by carriers that nearly always know at once whether a notification is accepted. If ctx has no deadline, their
// Carry waits for the acceptance for [DefaultRequestTimeout] at most.
type Prompt interface{ Prompt() }

// cargo is the message of a local call as a value, and its reply if that is a value too.
type cargo struct {
	message plain.Value // none for a message that is bytes
	want    *plain.Type
	reply   plain.Value // set by the code that has decided the call
}

// content is what a call carries: its envelope, with a payload of bytes or a value, and the way back, which may
// take a value too.
type content struct {
	decision
	env     transport.Envelope
	buffer  []byte // of an earlier use; see Keep
	replier Replier
}

// Envelope returns the call's envelope. The handler owns it until it returns. Before
// the call has started, Headers may go at any moment: see [Call.Peek]. Data may not have been made yet:
// see [Call.Data], which code of the application gets them from.
func (a *content) Envelope() *transport.Envelope { return &a.env }

// Peek returns the envelope before the call starts, for a [Receiver] that must look at
// its payload or headers. It returns false if the call was decided before: both may be
// gone.
func (a *content) Peek() (transport.Envelope, bool) {
	data := a.Data()
	a.mu.Lock()
	defer a.mu.Unlock()
	env := a.env
	env.Data = data
	return env, a.ended == not
}

// own copies the data that a sender in this process has lent. A refused call costs no copy.
func (a *content) own() {
	a.env.Data = a.replier.(*local).room.copy(a.env.Data)
	a.env.Headers = maps.Clone(a.env.Headers)
}

// carries returns the cargo of a local call; nil for any other.
func (a *content) carries() *cargo {
	if l, ok := a.replier.(*local); ok {
		return &l.cargo
	}
	return nil
}

// Keep copies data that are shared into the call's buffer, or into new memory if they do not fit. They are a small range of a
// larger message, which the call must not hold. No other code has the buffer, and none gets it unless it asks for the data: see
// [Call.Borrow]. Keep is for the transport, before Dispatch.
func (a *content) Keep(shared bool) {
	if !shared {
		return
	}
	data, buffer := a.env.Data, a.buffer
	if n := len(data); cap(buffer) < n || cap(buffer) > 4*n+256 { // a call must not hold much more memory than counts as its own
		buffer = make([]byte, 0, n)
	}
	a.buffer, a.env.Data = nil, append(buffer[:0], data...)
	a.bits.Or(bitBuffer)
}

// mostBuffer is how many bytes of buffer a call that is over keeps.
const mostBuffer = 2 << 10

// keepBuffer takes back the buffer of a call that is over, unless other code has the data, or it is large.
func (a *content) keepBuffer() {
	if a.bits.Load()&bitBuffer != 0 && cap(a.env.Data) <= mostBuffer {
		a.buffer = a.env.Data[:0]
	}
}

// Data returns the message's bytes. Those of a value are made when they are first asked for.
func (a *content) Data() []byte { return a.given(a.Borrow()) }

// given gives the data to other code. The buffer that they lie in goes with them, and is not used again. Behind them may be those
// of a call before.
func (a *content) given(data []byte) []byte {
	if a.bits.Load()&bitBuffer != 0 {
		a.bits.And(^bitBuffer)
	}
	return slices.Clip(data)
}

// Borrow is Data for code that changes nothing of it, and keeps nothing when the handler has returned. The data may lie in
// memory that is used again.
func (a *content) Borrow() []byte {
	a.mu.Lock()
	data := a.env.Data
	var message plain.Value
	if c := a.carries(); c != nil {
		message = c.message
	}
	a.mu.Unlock()
	if data != nil || message.Type() == nil {
		return data
	}
	data = message.Encoded()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.env.Data == nil && a.carries().message.Type() != nil { // it was not given back meanwhile
		a.env.Data = data
	}
	return data
}

// Plain returns the message as a value of the type; nil if it has come in another form. It is for a handler that has
// started.
func (a *content) Plain(of *plain.Type) *plain.Value {
	if c := a.carries(); c != nil && of != nil && c.message.Type() == of {
		return &c.message
	}
	return nil
}

// Wants reports whether the sender takes a reply that is a value of the type.
func (a *content) Wants(of *plain.Type) bool {
	c := a.carries()
	return of != nil && c != nil && c.want == of
}

// ReplyValue is [Call.Reply] for a value that the call's sender wants.
func ReplyValue(c *Call, v plain.Value) {
	if old, ok := c.decide(0); ok {
		c.carries().reply = v
		c.conclude(old, nil, nil, done)
	}
}

// Own returns the envelope as a handler owns it, with the bytes of its payload.
func (a *content) Own() (env transport.Envelope) {
	if c := a.carries(); a.has(bitStarted) && (c == nil || c.message.Type() == nil) { // nothing of the envelope changes any more
		env = a.env
		env.Data = a.given(env.Data)
	} else {
		env, _ = a.Peek()
	}
	if env.Headers != nil {
		env.Headers = maps.Clone(env.Headers)
	}
	return env
}
