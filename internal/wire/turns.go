// The turns that wait for an envelope

package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clstr-go/clstr/internal/turn"
)

// SizeTurns returns how many bytes the turns that wait for an envelope take in it.
func SizeTurns(t *turn.Turn) (size int) {
	for n := 0; t != nil && n < turn.Most; n++ {
		size += protowire.SizeTag(envTurns) + protowire.SizeBytes(sizeTurn(t))
		t = t.By
	}
	return size
}

func sizeTurn(t *turn.Turn) int {
	return sizeUint(turnShard, uint64(t.Shard)) + protowire.SizeTag(turnNumber) + protowire.SizeFixed64() +
		sizeString(turnKind, len(t.Kind)) + sizeString(turnKey, len(t.Key)) + sizeUint(turnRole, uint64(t.Role))
}

func appendTurns(b []byte, t *turn.Turn) []byte {
	for n := 0; t != nil && n < turn.Most; n++ {
		b = protowire.AppendTag(b, envTurns, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeTurn(t)))
		b = appendUint(b, turnShard, uint64(t.Shard))
		b = protowire.AppendTag(b, turnNumber, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, t.Number)
		b = appendString(b, turnKind, t.Kind)
		b = appendString(b, turnKey, t.Key)
		b = appendUint(b, turnRole, uint64(t.Role))
		t = t.By
	}
	return b
}

// turnList is the turns of one envelope, as they come.
type turnList struct {
	first, last *turn.Turn
	n           int
}

func (l *turnList) add(d *Decoder, data []byte) error {
	if l.n++; l.n > turn.Most {
		return bad("turns: more than %d", turn.Most)
	}
	t := &turn.Turn{}
	for f := (fields{data: data}); f.next() || f.bad; {
		switch {
		case f.bad:
			return bad("turn: field %d", f.number)
		case f.is(turnShard, protowire.VarintType):
			if f.uint > math.MaxUint32 {
				return bad("turn: shard %d: must fit 32 bits", f.uint)
			}
			t.Shard = uint32(f.uint)
		case f.is(turnNumber, protowire.Fixed64Type):
			t.Number = f.uint
		case f.is(turnKind, protowire.BytesType), f.is(turnKey, protowire.BytesType):
			if len(f.bytes()) > turn.MaxName {
				return bad("turn: kind or key of %d bytes: at most %d allowed", len(f.bytes()), turn.MaxName)
			}
			if f.number == turnKind {
				t.Kind = d.name(f.bytes())
			} else {
				t.Key = string(f.bytes())
			}
		case f.is(turnRole, protowire.VarintType):
			t.Role = turn.Role(min(f.uint, math.MaxUint8)) // later formats may have more
		}
	}
	if t.Number == 0 {
		return bad("turn: no number")
	}
	if l.last == nil {
		l.first = t
	} else {
		l.last.By = t
	}
	l.last = t
	return nil
}
