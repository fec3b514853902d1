// Decoder, which shares the bytes that it reads

package wire

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/transport"
)

// MaxItems is how many envelopes, replies and cancellations one packet may hold
// together: a few bytes on the wire must not become megabytes of memory.
const MaxItems = 4096

// Packet is a decoded message. Data is a range of the decoded bytes, which nothing else uses: it may be changed and
// appended to.
type Packet struct {
	FirstID   uint64
	Envelopes []Envelope
	Replies   []Reply
	Cancels   []uint64
	Unknown   []byte // fields of a later format
}

// Envelope is an envelope with the data that only transports know.
type Envelope struct {
	transport.Envelope
	Budget  time.Duration // what is left of the sender's deadline; 0 is none
	Waiting *turn.Turn    // those that wait for the call, the nearest first
	Number  uint64        // of a notification that others may come behind; no other of its sender has it
	After   uint64        // the number of the one that it comes behind; 0 is none
	Epoch   uint64        // in which the sender takes the node to own the shard; 0: with a fixed list
	Shared  bool          // Data is a small part of the packet: a receiver that keeps it makes a copy
	Unknown []byte
}

// Decoder decodes packets. It keeps the names of message types and kinds that it
// has seen, so that they cost no memory each time. The zero value is ready to
// use; it is not safe for concurrent use.
type Decoder struct {
	names  map[string]string
	recent [8]string // of names, by length: most messages have the names of the one before
	causes int       // of the packet's errors, so far
	size   int       // of the packet
	ids    int       // of replies to further ids
}

// maxNames bounds the names that a decoder keeps; message types are few.
const maxNames = 1024

func (d *Decoder) name(b []byte) string {
	recent := &d.recent[len(b)%len(d.recent)]
	if *recent == string(b) {
		return *recent
	}
	if s, ok := d.names[string(b)]; ok {
		*recent = s
		return s
	}
	if d.names == nil || len(d.names) >= maxNames {
		d.names = make(map[string]string)
	}
	s := string(b)
	d.names[s] = s
	return s
}

// Decode decodes data into p, whose slices it reuses. Its errors are
// outcome.ErrBadEnvelope with what is wrong; p is then of no use.
func (d *Decoder) Decode(data []byte, p *Packet) error {
	clear(p.Envelopes)
	clear(p.Replies)
	d.causes, d.ids = 0, 0
	*p = Packet{Envelopes: p.Envelopes[:0], Replies: p.Replies[:0], Cancels: p.Cancels[:0]}
	version := uint64(0)
	d.size = len(data)
	for f := (fields{data: data}); ; {
		if !f.next() {
			if f.bad {
				return bad("not a packet: field %d at byte %d of %d", f.number, f.at, len(data))
			}
			break
		}
		var err error
		switch {
		case f.is(packetVersion, protowire.VarintType):
			version = f.uint
		case f.is(packetFirstID, protowire.VarintType):
			p.FirstID = f.uint
		case f.is(packetEnvelopes, protowire.BytesType):
			p.Envelopes = slices.Grow(p.Envelopes, 1)[:len(p.Envelopes)+1] // what lies there is blank
			err = d.envelope(f.bytes(), &p.Envelopes[len(p.Envelopes)-1])
		case f.is(packetReplies, protowire.BytesType):
			p.Replies = append(p.Replies, Reply{})
			err = decodeReply(d, f.bytes(), &p.Replies[len(p.Replies)-1])
		case f.is(packetCancels, protowire.VarintType):
			p.Cancels = append(p.Cancels, f.uint)
		case f.is(packetCancels, protowire.BytesType): // packed
			err = p.packedCancels(f.bytes())
		default:
			p.Unknown = append(p.Unknown, f.raw()...)
		}
		if err != nil {
			return err
		}
		if n := len(p.Envelopes) + len(p.Replies) + len(p.Cancels) + d.ids; n > MaxItems {
			return bad("more than %d items in a packet", MaxItems)
		}
	}
	if version != Version {
		return bad("version %d: %d allowed", version, Version)
	}
	return nil
}

func (p *Packet) packedCancels(b []byte) error {
	for len(b) > 0 && len(p.Cancels) <= MaxItems {
		id, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return bad("cancels: not a list of numbers")
		}
		p.Cancels = append(p.Cancels, id)
		b = b[n:]
	}
	return nil
}

func (d *Decoder) envelope(data []byte, e *Envelope) error {
	var turns turnList
	for f := (fields{data: data}); ; {
		if !f.next() {
			if f.bad {
				return bad("envelope: field %d", f.number)
			}
			e.Data, e.Shared = d.own(e.Data, len(e.Key)+len(e.Type)+len(e.Kind))
			e.Waiting = turns.first
			return nil
		}
		switch {
		case f.is(envShard, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return bad("shard %d: must fit 32 bits", f.uint)
			}
			e.Shard = int(f.uint)
		case f.is(envType, protowire.BytesType):
			if len(f.bytes()) > bounds.MaxTypeBytes {
				return bad("type of %d bytes: at most %d allowed", len(f.bytes()), bounds.MaxTypeBytes)
			}
			e.Type = d.name(f.bytes())
		case f.is(envData, protowire.BytesType):
			e.Data = f.bytes()
		case f.is(envKey, protowire.BytesType):
			e.Key = string(f.bytes())
		case f.is(envKind, protowire.BytesType):
			if len(f.bytes()) > bounds.MaxTypeBytes {
				return bad("kind of %d bytes: at most %d allowed", len(f.bytes()), bounds.MaxTypeBytes)
			}
			e.Kind = d.name(f.bytes())
		case f.is(envHeaders, protowire.BytesType):
			if err := e.header(f.bytes()); err != nil {
				return err
			}
		case f.is(envBudget, protowire.VarintType):
			e.Budget = duration(f.uint, time.Microsecond)
		case f.is(envTTL, protowire.VarintType):
			e.TTLMs = duration(f.uint, time.Millisecond).Milliseconds()
		case f.is(envDelivery, protowire.VarintType):
			if f.uint > uint64(transport.AwaitNothing) {
				return bad("delivery %d: 0 to %d allowed", f.uint, transport.AwaitNothing)
			}
			e.Delivery = transport.Delivery(f.uint)
		case f.is(envNumShards, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return bad("num_shards %d: must fit 32 bits", f.uint)
			}
			e.NumShards = uint32(f.uint)
		case f.is(envLayout, protowire.Fixed64Type):
			e.Layout = f.uint
		case f.is(envRetry, protowire.VarintType):
			e.Retry = f.uint != 0
		case f.is(envID, protowire.BytesType):
			if len(f.bytes()) > bounds.MaxIDBytes {
				return bad("ID of %d bytes: at most %d allowed", len(f.bytes()), bounds.MaxIDBytes)
			}
			e.ID = string(f.bytes())
		case f.is(envAge, protowire.VarintType):
			e.AgeMs = duration(f.uint, time.Millisecond).Milliseconds()
		case f.is(envNumber, protowire.VarintType):
			e.Number = f.uint
		case f.is(envAfter, protowire.VarintType):
			e.After = f.uint
		case f.is(envEpoch, protowire.VarintType):
			e.Epoch = f.uint
		case f.is(envCodec, protowire.BytesType):
			if len(f.bytes()) > bounds.MaxCodecBytes {
				return bad("codec of %d bytes: at most %d allowed", len(f.bytes()), bounds.MaxCodecBytes)
			}
			e.Codec = d.name(f.bytes())
		case f.is(envTurns, protowire.BytesType):
			if err := turns.add(d, f.bytes()); err != nil {
				return err
			}
		default:
			e.Unknown = append(e.Unknown, f.raw()...)
		}
	}
}

func (e *Envelope) header(data []byte) error {
	var name, value string
	for f := (fields{data: data}); ; {
		if !f.next() {
			if f.bad {
				return bad("header: field %d", f.number)
			}
			break
		}
		switch {
		case f.is(headerName, protowire.BytesType):
			name = string(f.bytes())
		case f.is(headerValue, protowire.BytesType):
			value = string(f.bytes())
		}
	}
	if e.Headers == nil {
		e.Headers = make(map[string]string, 4)
	}
	if _, again := e.Headers[name]; !again && len(e.Headers) >= bounds.MaxHeaders {
		return bad("more than %d headers", bounds.MaxHeaders)
	}
	e.Headers[name] = value
	return nil
}

// text keeps text readable that is not UTF-8.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// duration is n units, at most what a Duration holds.
func duration(n uint64, unit time.Duration) time.Duration {
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64 / 2
	}
	return min(time.Duration(n)*unit, math.MaxInt64/2)
}

func bad(format string, args ...any) error {
	return outcome.Errorf(outcome.ErrBadEnvelope, format, args...).WithOutcome(outcome.NotStarted)
}

// decodeError decodes the error of a reply. It passes over the parts that are beyond the bounds of a
// tree, and marks the error as cut.
func (d *Decoder) decodeError(data []byte) (*outcome.Error, error) {
	t := treeDecoder{nodes: min(bounds.MaxErrorNodes, 1+MaxItems-d.causes)}
	before := t.nodes
	e, err := t.decode(data, 1)
	d.causes += before - t.nodes - 1
	if e != nil {
		e.Cut = e.Cut || t.cut
	}
	return e, err
}
