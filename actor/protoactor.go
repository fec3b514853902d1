// What protoactor actors need of the library

package actor

import (
	"fmt"
	"reflect"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/plain"
)

type (
	// Actor is protoactor's [pactor.Actor]: one method, Receive.
	Actor = pactor.Actor
	// PID is a process id of protoactor: [pactor.PID].
	PID = pactor.PID
)

// Message is what travels to a key. A protoactor actor receives a *Message if the message's
// type was not registered with [RegisterMessage].
type Message struct {
	Type    string
	Key     string
	Data    []byte
	Headers map[string]string
	ID      string // of the command that it is; empty for none
	Codec   string // of Data and the reply, unless they are protobuf messages; empty for JSON
}

// Draining is sent to a protoactor actor that owes answers when its shard begins to
// move, or its node to end. On that turn the actor may still answer. A request that it
// has declared with [NoEffect], and has not answered, goes back after the turn, and its
// sender asks the next owner. Any other answer has half a second. Then its sender is
// told that the request may have run.
type Draining struct{}

// RegisterMessage lets protoactor actors receive messages of type T, a struct or a pointer
// to one. The client's name for the message decides. Protobuf messages that are linked in
// need no registration. Messages of other types arrive as [*Message]. RegisterMessage panics
// if T has no name, or if another type has the same name.
func RegisterMessage[T any]() {
	t := reflect.TypeFor[T]()
	name, err := codec.NameOf(t)
	if err != nil {
		panic("clstr: RegisterMessage: " + err.Error())
	}
	decode := func(as string, data []byte) (any, error) { return codec.UnmarshalAs[T](as, data) }
	out := func(v *plain.Value) any { return plain.Out[T](v) }
	if other := host.RegisterDecoder(name, t, decode, out); other != nil {
		panic(fmt.Sprintf("clstr: RegisterMessage: %v and %v have the same name %q", t, other, name))
	}
}

// NoEffect is [Answer.NoEffect] for a protoactor actor that keeps a message's sender to
// answer it later. It returns false if the sender is not that of a request, or if the
// request has ended.
func NoEffect(ctx pactor.Context, sender *PID) bool { return host.NoEffect(ctx, sender, true) }

// HasEffect is [Answer.HasEffect] for a sender that [NoEffect] was called with.
func HasEffect(ctx pactor.Context, sender *PID) bool { return host.NoEffect(ctx, sender, false) }
