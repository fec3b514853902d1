// What nodes tell clients of owners and epochs

package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxEpochs is how many shards one message of owners may have. The client asks again for the
// shards behind them.
const MaxEpochs = 64 << 10

// Owners says in which epochs shards are owned. Epochs[i] is the epoch of the shard
// First+i, 0 for a shard that no node has ever owned.
type Owners struct {
	First     uint32
	Epochs    []uint64
	NumShards uint32
	Seed      string // at most MaxSeed bytes
}

// MaxSeed is how many bytes a seed may have to travel.
const MaxSeed = 4096

const (
	ownersVersion   protowire.Number = 1
	ownersFirst     protowire.Number = 2
	ownersEpochs    protowire.Number = 3
	ownersNumShards protowire.Number = 4
	ownersSeed      protowire.Number = 5
)

// AppendOwners appends the encoded message to b.
func AppendOwners(b []byte, o *Owners) []byte {
	b = appendUint(b, ownersVersion, Version)
	b = appendUint(b, ownersFirst, uint64(o.First))
	if len(o.Epochs) > 0 {
		size := 0
		for _, e := range o.Epochs {
			size += protowire.SizeVarint(e)
		}
		b = protowire.AppendTag(b, ownersEpochs, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
		for _, e := range o.Epochs {
			b = protowire.AppendVarint(b, e)
		}
	}
	b = appendUint(b, ownersNumShards, uint64(o.NumShards))
	return appendString(b, ownersSeed, o.Seed)
}

// DecodeOwners decodes a message of owners. Its errors are
// outcome.ErrBadEnvelope with what is wrong.
func DecodeOwners(data []byte) (o Owners, err error) {
	version := uint64(0)
	f := fields{data: data}
	for f.next() {
		switch {
		case f.is(ownersVersion, protowire.VarintType):
			version = f.uint
		case f.is(ownersFirst, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return Owners{}, bad("owners: first %d: must fit 32 bits", f.uint)
			}
			o.First = uint32(f.uint)
		case f.is(ownersNumShards, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return Owners{}, bad("owners: num_shards %d: must fit 32 bits", f.uint)
			}
			o.NumShards = uint32(f.uint)
		case f.is(ownersSeed, protowire.BytesType):
			if len(f.bytes) > MaxSeed {
				return Owners{}, bad("owners: a seed of %d bytes: at most %d", len(f.bytes), MaxSeed)
			}
			o.Seed = string(f.bytes)
		case f.is(ownersEpochs, protowire.VarintType):
			o.Epochs = append(o.Epochs, f.uint)
		case f.is(ownersEpochs, protowire.BytesType):
			for rest := f.bytes; len(rest) > 0; {
				e, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					return Owners{}, bad("owners: epoch %d is no number", len(o.Epochs))
				}
				o.Epochs, rest = append(o.Epochs, e), rest[n:]
				if len(o.Epochs) > MaxEpochs {
					break
				}
			}
		}
		if len(o.Epochs) > MaxEpochs {
			return Owners{}, bad("owners: more than %d epochs", MaxEpochs)
		}
	}
	switch {
	case f.bad:
		return Owners{}, bad("owners: not a message: byte %d of %d", len(data)-len(f.data), len(data))
	case version != Version:
		return Owners{}, bad("owners: version %d: only %d is known", version, Version)
	}
	return o, nil
}
