// Replies of protoactor actors; decoding for them

package host

import (
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	pactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
)

// replyAddress is the address of the process ids that protoactor actors respond
// to. It is not the local one, so that they are looked up here and a request
// does not register a process.
const replyAddress = "clstr-reply"

// replies finds the waiting call behind a sender's process id.
type replies struct {
	next atomic.Uint64
	open sync.Map // id string -> *replyProcess
}

// replyProcess is a call, as a process that can be sent one message.
type replyProcess struct {
	x  *Context
	id string
}

// expect makes a call's process, which is forgotten when the call was answered, and returns its id.
func (r *replies) expect(x *Context) *PID {
	p := &replyProcess{x: x, id: strconv.FormatUint(r.next.Add(1), 36)}
	r.open.Store(p.id, p)
	x.call.AfterAnswer(func() { r.open.Delete(p.id) })
	return pactor.NewPID(replyAddress, p.id)
}

func (r *replies) resolve(pid *PID) (pactor.Process, bool) {
	if pid.Address != replyAddress {
		return nil, false
	}
	p, ok := r.open.Load(pid.Id)
	if !ok {
		return nil, false
	}
	return p.(*replyProcess), true
}

// SendUserMessage implements protoactor's Process: the response.
func (p *replyProcess) SendUserMessage(_ *PID, message any) {
	switch m := pactor.UnwrapEnvelopeMessage(message).(type) {
	case error:
		p.x.Fail(m)
	case []byte:
		p.x.call.Reply(m, nil)
	case nil:
		p.x.call.Reply(nil, nil)
	case *pactor.DeadLetterResponse: // the request was forwarded
		p.x.call.Reply(nil, fmt.Errorf("the request was forwarded to a process id without an actor: %w", pactor.ErrDeadLetter))
	default:
		p.x.Respond(m)
	}
}

func (p *replyProcess) SendSystemMessage(*PID, any) {}

func (p *replyProcess) Stop(*PID) {}

// NoEffect is [Call].NoEffect for the call behind a process id. It returns false if there
// is none.
func NoEffect(ctx pactor.Context, sender *PID, none bool) bool {
	if sender == nil {
		return false
	}
	process, _ := ctx.ActorSystem().ProcessRegistry.Get(sender)
	p, ok := process.(*replyProcess)
	return ok && p.x.call.NoEffect(none)
}

// decoders make the messages of protoactor actors, by wire name.
var decoders sync.Map // string -> decoder

// RegisterDecoder lets protoactor actors receive messages of a type under the name that a
// client gives them: decode makes one of bytes, and out one of a value of the type. It returns the type that has the
// name already, nil if none does.
func RegisterDecoder(name string, t reflect.Type, decode func(as string, data []byte) (any, error), out func(*plain.Value) any) (other reflect.Type) {
	if old, taken := decoders.LoadOrStore(name, decoder{t, codec.Plain(t), codec.KeepsNothing(t), decode, out}); taken && old.(decoder).t != t {
		return old.(decoder).t
	}
	return nil
}

type decoder struct {
	t      reflect.Type
	asIs   *plain.Type // nil if it is always decoded
	lends  bool        // it keeps nothing of the bytes
	decode func(as string, data []byte) (any, error)
	out    func(*plain.Value) any
}

// protoactorFile describes protoactor's own messages. They are linked, but mean
// something else than a caller may say: stop, watch, terminated.
var protoactorFile = (*PID)(nil).ProtoReflect().Descriptor().ParentFile()

// decode makes what a protoactor actor receives of a message.
func (o *Options) decode(x *Context) (any, error) {
	c := x.call
	m := c.Message()
	name := m.Type
	if known, ok := decoders.Load(name); ok {
		d := known.(decoder)
		if v := c.Plain(d.asIs); v != nil {
			return d.out(v), nil
		}
		return d.decode(m.Codec, BytesOf(c, d.lends))
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil || t.Descriptor().ParentFile() == protoactorFile {
		return o.Unknown(x.Message()), nil
	}
	p := t.New().Interface()
	of := reflect.TypeOf(p)
	if v := c.Plain(codec.Plain(of)); v != nil {
		return plain.Out[proto.Message](v), nil
	}
	return p, codec.UnmarshalInto(BytesOf(c, codec.KeepsNothing(of)), p)
}

// BytesOf returns the message's bytes for code that keeps nothing of them if lends is true.
func BytesOf(c Call, lends bool) []byte {
	if lends {
		return c.Borrow()
	}
	return c.Data()
}
