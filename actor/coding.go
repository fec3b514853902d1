package actor

import (
	"log/slog"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/sparse"
)

// coding says which of a message's own code a turn is in: UnmarshalJSON and the like
// are the message's, and what they do must not cost the entity its state. Their panics
// are errors of package codec's. One that ends the goroutine is told by this.
type coding uint8

const (
	decoding coding = 1 + iota
	encoding
)

// decoded is an argument of a turn.
func decoded[T any](c *cell, data []byte) (T, error) {
	c.coding = decoding
	v, err := codec.Unmarshal[T](data)
	c.coding = 0
	return v, err
}

// encoded is the reply of a turn.
func (c *cell) encoded(v any) ([]byte, error) {
	c.coding = encoding
	data, err := codec.Marshal(v)
	c.coding = 0
	return data, err
}

// replyWith encodes a reply and answers with it, on any goroutine: what the reply's own
// code does there is not the turn's, which may be another message's by now.
func (c *cell) replyWith(call Call, v any) {
	why := failure(ErrEncode, nil, endedByItsCode)
	var data []byte
	defer func() {
		if why != nil {
			call.Fail(why)
			return
		}
		call.ReplyOwned(data)
	}()
	data, err := codec.Marshal(v)
	if why = nil; err != nil {
		c.logCodec(call.Message().Type, err)
		why = failure(ErrEncode, err, "%T", v)
	}
}

const endedByItsCode = "the message's own code ended its goroutine"

// leftCoding answers for a turn that a message's own code has ended with its
// goroutine. It returns false for any other end.
func (c *cell) leftCoding(current any) bool {
	x, ok := current.(*Context)
	at := c.coding
	if !ok || at == 0 {
		return false
	}
	c.coding = 0
	why := ErrDecode
	if at == encoding {
		why = ErrEncode
	}
	x.call.Fail(failure(why, nil, endedByItsCode))
	x.call.End()
	return true
}

// logCodec logs the panic of a message's own code. Its sender is told that it does not
// decode, or is no reply; the stack is for this log only.
func (c *cell) logCodec(msgType string, err error) {
	if p, ok := err.(*codec.Panic); ok {
		c.log().Error("a message's own code panicked", slog.String("type", msgType), slog.String("at", p.What),
			sparse.PanicWith(p.Value, p.Stack))
	}
}
