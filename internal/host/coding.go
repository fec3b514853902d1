// User code that encodes messages, replies and errors: its panics cost the key nothing

package host

import (
	"log/slog"
	"reflect"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/sparse"
)

// UnmarshalJSON and the like are a message's own code, as the methods of an error are
// that error's. What they do must not cost the entity its state. Their panics are
// errors of package codec, or texts. What is below answers for code that ends its
// goroutine: deferred funcs see that, and nothing stops it.

// Decode has f decode the message's payload, into a value of the given type if that is
// known. Where f fails, the call is answered.
func (c *Context) Decode(to reflect.Type, f func(Message) error) (ok bool) {
	m := c.call.Message()
	returned := false
	defer func() {
		if !returned {
			c.left(ErrDecode)
		}
	}()
	err := f(m)
	returned = true
	if err == nil {
		return true
	}
	c.logCodec(m.Type, err)
	into := ""
	if to != nil {
		into = " into " + to.String()
	}
	c.call.Fail(failure(ErrDecode, err, "type %q%s", m.Type, into))
	return false
}

// Respond answers with a reply, on any goroutine.
func (c *Context) Respond(out any) {
	returned := false
	defer func() {
		if !returned {
			c.left(ErrEncode)
		}
	}()
	data, err := codec.Marshal(out)
	returned = true
	if err != nil {
		c.logCodec(c.call.Message().Type, err)
		c.call.Fail(failure(ErrEncode, err, "%T", out))
		return
	}
	c.call.ReplyOwned(data)
}

// Fail answers with an application's error, nil for none, on any goroutine.
func (c *Context) Fail(err error) {
	returned := false
	defer func() {
		if !returned {
			c.gone.Store(true) // and the call was answered
		}
	}()
	c.call.Reply(nil, err)
	returned = true
}

// left answers for a message's own code that ends its goroutine.
func (c *Context) left(why error) {
	c.gone.Store(true)
	c.call.Fail(failure(why, nil, "the message's own code ended its goroutine"))
}

// leftTurn ends a turn if it was the code of its message, reply or error that ended the
// goroutine. It returns false for any other end.
func leftTurn(current any) bool {
	x, ok := current.(*Context)
	if !ok || !x.gone.Load() {
		return false
	}
	x.call.End()
	return true
}

// logCodec logs the panic of a message's own code. Its sender is told that it does not
// decode, or is no reply; the stack is for this log only.
func (c *Context) logCodec(msgType string, err error) {
	if p, ok := err.(*codec.Panic); ok {
		c.cell.log().Error("a message's own code panicked", slog.String("type", msgType), slog.String("at", p.What),
			sparse.PanicWith(p.Value, p.Stack))
	}
}
