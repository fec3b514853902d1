// Replies: the answers to envelopes, both ways

package wire

import (
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
	Unknown   []byte
}

// AppendReply appends a reply to the packet in b: data, or the error if err is
// not nil.
func AppendReply(b []byte, id uint64, data []byte, err *outcome.Error) []byte {
	return appendReply(b, &Reply{ID: id, Data: data, Err: err})
}

// Append appends the reply to the packet in b.
func (r *Reply) Append(b []byte) []byte { return appendReply(b, r) }

func appendReply(b []byte, r *Reply) []byte {
	id, data, err, unknown := r.ID, r.Data, r.Err, r.Unknown
	size := len(unknown) + sizeUint(replyID, id) + sizeString(replyData, len(data)) +
		sizeUint(replyEpoch, r.Owner.Epoch) + sizeString(replyNode, len(r.Owner.Node)) +
		sizeUint(replyUnawaited, flag(r.Unawaited)) + sizeUint(replyShard, uint64(r.Shard))
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
	return append(b, unknown...)
}
