// Replies: the answers to envelopes, both ways

package wire

import (
	"math"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/encoding/protowire"
)

// Reply is the answer to the envelope with the given id: an error or data. A decoded
// error is as it was sent: its receiver calls outcome.Resolve, which runs code of
// the application's.
type Reply struct {
	ID    uint64
	Data  []byte
	Err   *outcome.Error
	Owner Owner // of the envelope's shard, in the refusal of a node that knows another owner
	// Unawaited is true in the refusal of an envelope that awaits nothing, for a shard that the node
	// does not serve.
	Unawaited bool
	Shard     uint32 // with Unawaited
	// Further is how many ids behind ID have the same answer: notifications that were accepted.
	Further uint64
	Shared  bool // of a decoded one: see [Envelope]
	Unknown []byte
}

// AppendReply appends a reply to the packet in b: data, or the error if err is
// not nil.
func AppendReply(b []byte, id uint64, data []byte, err *outcome.Error) []byte {
	return appendReply(b, &Reply{ID: id, Data: data, Err: err})
}

// Append appends the reply to the packet in b.
func (r *Reply) Append(b []byte) []byte { return appendReply(b, r) }

// AppendTimes appends n replies, to the ID and those behind it, with the same error. Further ones cost little more than their bytes.
func (r *Reply) AppendTimes(b []byte, n int) []byte {
	if n == 1 {
		return appendReply(b, r)
	}
	e := prepared(r.Err)
	same := protowire.AppendTag(nil, replyError, protowire.BytesType)
	same = protowire.AppendVarint(same, uint64(sizeError(e)))
	same = appendError(same, e)
	for id := r.ID; id != r.ID+uint64(n); id++ {
		b = protowire.AppendTag(b, packetReplies, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeUint(replyID, id)+len(same)))
		b = append(appendUint(b, replyID, id), same...)
	}
	return b
}

func appendReply(b []byte, r *Reply) []byte {
	id, data, err, unknown := r.ID, r.Data, r.Err, r.Unknown
	size := len(unknown) + sizeUint(replyID, id) + sizeString(replyData, len(data)) +
		sizeUint(replyEpoch, r.Owner.Epoch) + sizeString(replyNode, len(r.Owner.Node)) +
		sizeUint(replyUnawaited, flag(r.Unawaited)) + sizeUint(replyShard, uint64(r.Shard)) + sizeUint(replyFurther, r.Further)
	errSize := 0
	if err != nil {
		err = prepared(err)
		errSize = sizeError(err)
		size += protowire.SizeTag(replyError) + protowire.SizeBytes(errSize)
	}
	b = protowire.AppendTag(b, packetReplies, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendUint(b, replyID, id)
	b = appendBytes(b, replyData, data)
	if err != nil {
		b = protowire.AppendTag(b, replyError, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(errSize))
		b = appendError(b, err)
	}
	b = appendUint(b, replyEpoch, r.Owner.Epoch)
	b = appendString(b, replyNode, r.Owner.Node)
	b = appendUint(b, replyUnawaited, flag(r.Unawaited))
	b = appendUint(b, replyShard, uint64(r.Shard))
	b = appendUint(b, replyFurther, r.Further)
	return append(b, unknown...)
}

// decodeReply decodes a reply of the packet that d is at.
func decodeReply(d *Decoder, data []byte, r *Reply) error {
	for f := (fields{data: data}); ; {
		if !f.next() {
			if f.bad {
				return bad("reply: field %d", f.number)
			}
			r.Data, r.Shared = d.own(r.Data, 0)
			return countFurther(d, r)
		}
		switch {
		case f.is(replyID, protowire.VarintType):
			r.ID = f.uint
		case f.is(replyData, protowire.BytesType):
			r.Data = f.bytes()
		case f.is(replyError, protowire.BytesType):
			e, err := d.decodeError(f.bytes())
			if err != nil {
				return err
			}
			r.Err = e
		case f.is(replyEpoch, protowire.VarintType):
			r.Owner.Epoch = f.uint
		case f.is(replyUnawaited, protowire.VarintType):
			r.Unawaited = f.uint != 0
		case f.is(replyShard, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return bad("reply: shard %d: must fit 32 bits", f.uint)
			}
			r.Shard = uint32(f.uint)
		case f.is(replyFurther, protowire.VarintType):
			r.Further = f.uint
		case f.is(replyNode, protowire.BytesType):
			if r.Owner.Node = string(f.bytes()); !IsNode(r.Owner.Node) {
				return bad("reply: a node of %d bytes: at most %d letters, digits, - and _", len(f.bytes()), MaxNode)
			}
		default:
			r.Unknown = append(r.Unknown, f.raw()...)
		}
	}
}

// countFurther counts the ids behind that of a reply.
func countFurther(d *Decoder, r *Reply) error {
	switch {
	case r.Further == 0:
		return nil
	case r.Further >= MaxItems:
		return bad("reply: %d further ids: fewer than %d allowed", r.Further, MaxItems)
	case r.ID > math.MaxUint64-r.Further:
		return bad("reply: %d further ids behind %d", r.Further, r.ID)
	case r.Data != nil || r.Err != nil || r.Unawaited || r.Owner != Owner{}:
		return bad("reply: further ids of an answer that is no acceptance")
	}
	d.ids += int(r.Further)
	return nil
}
