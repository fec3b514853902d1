// Whether an envelope or a reply fits into a message, and the error for one that does not

package wire

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// DefaultMaxMessage is how many bytes a NATS server allows a message by default.
const DefaultMaxMessage = 1 << 20

// Fits returns nil if env, alone in its packet, is no larger than a message may be,
// and otherwise the error that says how large its payload may be. budget, waiting and epoch are
// those of [AppendEnvelope].
func Fits(env *transport.Envelope, budget time.Duration, waiting *turn.Turn, epoch uint64, most int) *outcome.Error {
	if len(env.Data) <= most-Overhead && len(AppendEnvelope(nil, env, budget, waiting, epoch)) <= most-Overhead {
		return nil
	}
	return TooLarge(env, budget, waiting, epoch, most)
}

// TooLarge is the error of Fits for an envelope that does not fit. A message holds more
// than the payload, so the size that the error names is less than most. The next caller may
// have a longer deadline, which takes more room, so the size allows for a deadline of a minute.
func TooLarge(env *transport.Envelope, budget time.Duration, waiting *turn.Turn, epoch uint64, most int) *outcome.Error {
	tried := *env
	tried.Data = env.Data[:min(len(env.Data), max(0, most-Overhead))]
	over := len(AppendEnvelope(nil, &tried, max(budget, time.Minute), waiting, epoch)) - (most - Overhead)
	allowed := len(tried.Data) - over
	if allowed < 0 {
		return outcome.Errorf(outcome.ErrTooLarge, "key, headers and type take %d bytes more than the %d of a message", -allowed, most)
	}
	return outcome.Errorf(outcome.ErrTooLarge, "payload of %d bytes: at most %d fit into the %d of a message, beside its key, headers and type",
		len(env.Data), allowed, most)
}

// ReplyFits returns nil if a reply, alone in its packet, is no larger than a message
// may be. Otherwise it returns the error that goes in its place. For data the error says how
// large data may be. An error is replaced by a short one.
func ReplyFits(id uint64, data []byte, err *outcome.Error, most int) *outcome.Error {
	if len(data) <= most-Overhead && len(AppendReply(nil, id, data, err)) <= most-Overhead {
		return nil
	}
	return ReplyTooLarge(id, data, err, most)
}

// ReplyTooLarge is the error of ReplyFits for a reply that does not fit.
func ReplyTooLarge(id uint64, data []byte, err *outcome.Error, most int) *outcome.Error {
	if err != nil {
		return Shorten(err)
	}
	tried := data[:min(len(data), max(0, most-Overhead))]
	over := len(AppendReply(nil, id, tried, nil)) - (most - Overhead)
	return outcome.Errorf(outcome.ErrReplyTooLarge, "reply of %d bytes: at most %d fit into the %d of a message", len(data), len(tried)-over, most)
}

// CheckRequest refuses what Fits refuses, for a transport that encodes nothing. So a message
// that is too large in production is too large in tests. It encodes only messages near
// the limit. A negative limit is no limit.
func CheckRequest(ctx context.Context, env *transport.Envelope, waiting *turn.Turn, most int) error {
	if most < 0 || AtMost(env) <= most {
		return nil
	}
	var budget time.Duration
	if d, ok := ctx.Deadline(); ok {
		budget = max(time.Until(d), 1)
	}
	if err := Fits(env, budget, waiting, 0, most); err != nil {
		return err
	}
	return nil
}

// AtMost is more than an envelope takes in a packet of its own.
func AtMost(env *transport.Envelope) int {
	size := 1<<12 + len(env.Data) + len(env.Key) + len(env.Kind) + len(env.Type)
	if len(env.Headers) == 0 { // to range over no map takes longer than all else here
		return size
	}
	for name, value := range env.Headers {
		size += 24 + len(name) + len(value)
	}
	return size
}

// CheckReply returns what the caller gets for a reply: the error of ReplyFits if the reply is
// too large. A negative limit is no limit.
func CheckReply(reply []byte, err error, most int) ([]byte, error) {
	e, _ := errors.AsType[*outcome.Error](err)
	if most < 0 || len(reply) <= most/2 && (e == nil || len(e.Causes) == 0 && len(e.Message)+len(e.Detail) <= most/8) {
		return reply, err
	}
	if large := ReplyFits(1, reply, e, most); large != nil {
		return nil, large
	}
	return reply, err
}

// Shorten keeps only code and outcome of an error that is too large to travel, because the caller
// acts by these.
func Shorten(err *outcome.Error) *outcome.Error {
	const most = 256
	short := *err
	short.Detail, short.Causes, short.Cut = nil, nil, true
	if len(short.Message) > most {
		short.Message = short.Message[:most] + "..."
	}
	return &short
}
