// User code that encodes messages, replies and errors: its panics do not cost the key its state

package host

import (
	"fmt"
	"log/slog"
	"reflect"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// UnmarshalJSON and the like are a message's own code, as the methods of an error are
// that error's. What they do must not cost the entity its state. Their panics are
// errors of package codec, or texts. What is below answers for code that ends its
// goroutine: deferred funcs see that, and nothing stops it.

// Decode has f decode the message's payload, into a value of the given type if that is
// known. Where f fails, the call is answered.
func (c *Context) Decode(to reflect.Type, f func() error) (ok bool) {
	var err error
	c.guard(outcome.ErrDecode, func() { err = f() })
	if err == nil {
		return true
	}
	into := ""
	if to != nil {
		into = " into " + to.String()
	}
	c.miscoded(outcome.ErrDecode, err, fmt.Sprintf("type %q%s", c.call.Message().Type, into))
	return false
}

// Respond answers the call with a reply, on any goroutine. The sender gets a copy, which is made here.
func (c *Context) Respond(out any) {
	if !turn.Enter(&c.gate) {
		return // it was answered
	}
	defer turn.Leave(&c.gate)
	var v plain.Value
	var asIs bool
	var data []byte
	var room *codec.Room
	var err error
	c.guard(outcome.ErrReply, func() {
		if of := reflect.TypeOf(out); of != nil && c.call.Wants(codec.Plain(of)) {
			v, asIs = plain.CopyAny(codec.Plain(of), plain.Reply, out)
		}
		if !asIs {
			data, room, err = codec.MarshalReply(c.call.Message().Codec, out)
		}
	})
	if asIs {
		c.call.ReplyValue(v)
		return
	}
	if err != nil {
		c.miscoded(outcome.ErrReply, err, fmt.Sprintf("%T", out))
		return
	}
	if room == nil {
		c.call.ReplyOwned(data)
		return
	}
	c.call.Reply(data, nil)
	room.Free()
}

// Fail answers the call with an application's error, nil for none, on any goroutine.
func (c *Context) Fail(err error) {
	if !turn.Enter(&c.gate) {
		return // it was answered
	}
	defer turn.Leave(&c.gate)
	c.guard(nil, func() { c.call.Reply(nil, err) })
}

// Handled is called on the turn, when the handler of a message has returned without an error. If Handled returns true, the message is a
// notification, and the end of the turn answers it.
func (c *Context) Handled() bool {
	c.done = c.call.IsAlone()
	return c.done
}

// guard calls code of a message's own, or of its error. If that ends its goroutine the call
// is answered; nil is for code that is only called once it is.
func (c *Context) guard(why error, f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		turn.Goes(&c.gate)
		if why != nil {
			c.call.Fail(failure(why, "the message's own code ended its goroutine"))
		}
	}()
	f()
	returned = true
}

// miscoded answers a call whose payload or reply has failed in its own code. The panic goes only
// to the log.
func (c *Context) miscoded(why, err error, what string) {
	if p, ok := err.(*codec.Panic); ok {
		c.cell.log().Error("a message's own code panicked", slog.String("type", c.call.Message().Type), slog.String("at", p.What),
			sparse.PanicWith(p.Value, p.Stack))
	}
	c.call.Fail(failure(why, "%s: %v", what, err))
}

// leftTurn ends a turn if it was the code of its message, reply or error that ended the
// goroutine. It returns false for any other end, and for a durable key, whose turn was not
// settled.
func leftTurn(current any) bool {
	x, ok := current.(*Context)
	if !ok || !turn.IsGone(&x.gate) || x.cell.mailbox.outlet != nil {
		return false
	}
	x.call.End()
	return true
}
