package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxVia is how many shards an envelope may tell of that wait for it.
const MaxVia = 64

func sizeVia(via []uint32) (size int) {
	for _, shard := range via {
		size += protowire.SizeVarint(uint64(shard))
	}
	return size
}

func appendVia(b []byte, via []uint32, size int) []byte {
	if size == 0 {
		return b
	}
	b = protowire.AppendTag(b, envVia, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for _, shard := range via {
		b = protowire.AppendVarint(b, uint64(shard))
	}
	return b
}

// via takes one shard, or a packed list of them.
func (e *Envelope) via(f *fields) error {
	if f.kind == protowire.VarintType {
		return e.addVia(f.uint)
	}
	if f.kind != protowire.BytesType {
		e.Unknown = append(e.Unknown, f.raw...)
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		shard, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return bad("via: not a list of numbers")
		}
		if err := e.addVia(shard); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (e *Envelope) addVia(shard uint64) error {
	if shard > math.MaxUint32 {
		return bad("via: shard %d: must fit 32 bits", shard)
	}
	if len(e.Via) >= MaxVia {
		return bad("via: more than %d shards", MaxVia)
	}
	e.Via = append(e.Via, uint32(shard))
	return nil
}
