// Appending: no allocation but the buffer's growth

package wire

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/transport"
)

// Version is the format's version, in every packet.
const Version = 1

// The field numbers of clstr.proto.
const (
	packetVersion   = 1
	packetFirstID   = 2
	packetEnvelopes = 3
	packetReplies   = 4
	packetCancels   = 5

	envShard     = 1
	envType      = 2
	envData      = 3
	envKey       = 4
	envKind      = 5
	envHeaders   = 6
	envBudget    = 7
	envTTL       = 8
	envDelivery  = 9
	envNumShards = 10
	envLayout    = 11
	envRetry     = 13
	envTurns     = 14
	envID        = 15
	envAge       = 16
	envEpoch     = 17
	envNumber    = 18
	envAfter     = 19
	envCodec     = 20

	headerName  = 1
	headerValue = 2

	replyID    = 1
	replyData  = 2
	replyError = 3
	replyEpoch = 4
	replyNode  = 5

	replyUnawaited = 6
	replyShard     = 7
	replyFurther   = 8

	turnShard  = 1
	turnNumber = 2
	turnKind   = 3
	turnKey    = 4
	turnRole   = 5

	errCode       = 1
	errOutcome    = 2
	errMessage    = 3
	errRetryAfter = 4
	errDetail     = 5
	errCauses     = 6
	errCut        = 7
)

// Overhead is how many bytes a packet has beside its envelopes and replies, at most.
const Overhead = 16

// AppendEnvelope appends env to the packet in b. budget is what is left of the
// sender's deadline; zero is none, and less than a microsecond counts as one.
// The time to live is sent as what is left of it now. waiting are the turns that wait for the call, the
// nearest first: the nearest MaxTurns are sent. nil is none. epoch is the one in which the
// node that gets the envelope is taken to own the shard.
func AppendEnvelope(b []byte, env *transport.Envelope, budget time.Duration, waiting *turn.Turn, epoch uint64) []byte {
	return appendEnvelope(b, env, budget, waiting, epoch, nil)
}

// AppendNumbered is AppendEnvelope for a notification with a number, which is to come behind the one
// with the number after; 0 is none.
func AppendNumbered(b []byte, env *transport.Envelope, epoch, number, after uint64) []byte {
	var room [24]byte
	return appendEnvelope(b, env, 0, nil, epoch, appendOrder(room[:0], number, after))
}

func appendOrder(b []byte, number, after uint64) []byte {
	return appendUint(appendUint(b, envNumber, number), envAfter, after)
}

func appendEnvelope(b []byte, env *transport.Envelope, budget time.Duration, waiting *turn.Turn, epoch uint64, unknown []byte) []byte {
	left := micros(budget)
	ttl := ttlLeft(env)
	age := ageNow(env)
	size := len(unknown)
	size += sizeUint(envShard, uint64(env.Shard))
	size += sizeString(envType, len(env.Type))
	size += sizeString(envData, len(env.Data))
	size += sizeString(envKey, len(env.Key))
	size += sizeString(envKind, len(env.Kind))
	if len(env.Headers) > 0 { // to range over no map takes its time, too
		for name, value := range env.Headers {
			size += protowire.SizeTag(envHeaders) + protowire.SizeBytes(sizeHeader(name, value))
		}
	}
	size += sizeUint(envBudget, left)
	size += sizeUint(envTTL, ttl)
	size += sizeUint(envDelivery, uint64(env.Delivery))
	size += sizeUint(envNumShards, uint64(env.NumShards))
	if env.Layout != 0 {
		size += protowire.SizeTag(envLayout) + protowire.SizeFixed64()
	}
	size += sizeUint(envRetry, flag(env.Retry))
	size += SizeTurns(waiting)
	size += sizeString(envID, len(env.ID))
	size += sizeUint(envAge, age)
	size += sizeUint(envEpoch, epoch)
	size += sizeString(envCodec, len(env.Codec))

	b = appendTag(b, packetEnvelopes, protowire.BytesType)
	b = appendVarint(b, uint64(size))
	b = appendUint(b, envShard, uint64(env.Shard))
	b = appendString(b, envType, env.Type)
	b = appendBytes(b, envData, env.Data)
	b = appendString(b, envKey, env.Key)
	b = appendString(b, envKind, env.Kind)
	if len(env.Headers) > 0 {
		for name, value := range env.Headers {
			b = appendTag(b, envHeaders, protowire.BytesType)
			b = appendVarint(b, uint64(sizeHeader(name, value)))
			b = appendString(b, headerName, name)
			b = appendString(b, headerValue, value)
		}
	}
	b = appendUint(b, envBudget, left)
	b = appendUint(b, envTTL, ttl)
	b = appendUint(b, envDelivery, uint64(env.Delivery))
	b = appendUint(b, envNumShards, uint64(env.NumShards))
	if env.Layout != 0 {
		b = appendTag(b, envLayout, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, env.Layout)
	}
	b = appendUint(b, envRetry, flag(env.Retry))
	b = appendTurns(b, waiting)
	b = appendString(b, envID, env.ID)
	b = appendUint(b, envAge, age)
	b = appendUint(b, envEpoch, epoch)
	b = appendString(b, envCodec, env.Codec)
	return append(b, unknown...)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// ttlLeft is the rest of the time to live in milliseconds. A time to live that
// has ended travels as the shortest there is: zero would mean none.
func ttlLeft(env *transport.Envelope) uint64 {
	if env.TTLMs <= 0 {
		return 0
	}
	return uint64(max(1, env.TTL().Milliseconds()))
}

// ageNow is the age in milliseconds. A part of a millisecond counts as a whole one: a node must not
// take a command for younger than it is.
func ageNow(env *transport.Envelope) uint64 {
	if env.ID == "" {
		return uint64(max(0, env.AgeMs))
	}
	return uint64((env.Age() + time.Millisecond - 1).Milliseconds())
}

func micros(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(1, d.Microseconds()))
}

// AppendCancel appends a cancellation to the packet in b.
func AppendCancel(b []byte, id uint64) []byte {
	b = appendTag(b, packetCancels, protowire.VarintType)
	return protowire.AppendVarint(b, id)
}

// AppendEnd makes what was appended to b a whole packet. firstID is the id of
// its first envelope; 0 if it has none.
func AppendEnd(b []byte, firstID uint64) []byte {
	b = appendUint(b, packetVersion, Version)
	return appendUint(b, packetFirstID, firstID)
}

// Append appends the whole packet to b, what was unknown to its decoder
// included.
func (p *Packet) Append(b []byte) []byte {
	for i := range p.Envelopes {
		e := &p.Envelopes[i]
		b = appendEnvelope(b, &e.Envelope, e.Budget, e.Waiting, e.Epoch, append(appendOrder(nil, e.Number, e.After), e.Unknown...))
	}
	for i := range p.Replies {
		b = appendReply(b, &p.Replies[i])
	}
	for _, id := range p.Cancels {
		b = AppendCancel(b, id)
	}
	return append(AppendEnd(b, p.FirstID), p.Unknown...)
}

func sizeUint(field protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(v)
}

func sizeString(field protowire.Number, n int) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

func sizeHeader(name, value string) int {
	return sizeString(headerName, len(name)) + sizeString(headerValue, len(value))
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendVarint(appendTag(b, field, protowire.VarintType), v)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return append(appendVarint(appendTag(b, field, protowire.BytesType), uint64(len(s))), s...)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendVarint(appendTag(b, field, protowire.BytesType), uint64(len(v))), v...)
}

func appendTag(b []byte, field protowire.Number, kind protowire.Type) []byte {
	return appendVarint(b, protowire.EncodeTag(field, kind))
}

// appendVarint is protowire's, without a call for a number of one byte, as most are.
func appendVarint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return protowire.AppendVarint(b, v)
}
