package wire_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

func TestOwners(t *testing.T) {
	for _, o := range []wire.Owners{
		{},
		{First: 7, NumShards: 64, Seed: "prod\xff"},
		{First: 0, Epochs: []uint64{0, 1, 300, 1 << 40}, NumShards: 4},
		{First: 1 << 19, Epochs: make([]uint64, wire.MaxEpochs), NumShards: 1 << 20},
	} {
		b := wire.AppendOwners(nil, &o)
		got, err := wire.DecodeOwners(b)
		if err != nil || got.First != o.First || got.NumShards != o.NumShards || got.Seed != o.Seed || !slices.Equal(got.Epochs, o.Epochs) {
			t.Errorf("shards from %d: got %d epochs from %d, %v", o.First, len(got.Epochs), got.First, err)
		}
		var g clstrpb.Owners
		if err := proto.Unmarshal(b, &g); err != nil || g.Version != wire.Version || g.First != o.First || g.NumShards != o.NumShards || string(g.Seed) != o.Seed || !slices.Equal(g.Epochs, o.Epochs) {
			t.Errorf("generated code reads it as %v, %v", &g, err)
		}
	}
}

func TestOwnersThatAreNone(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                           nil,
		"no message":                        {0xff},
		"half a number":                     append(wire.AppendOwners(nil, &wire.Owners{}), 0x1a, 1, 0xff),
		"another version":                   {0x08, 2},
		"a first shard beyond 32 bits":      binary.AppendUvarint([]byte{0x08, 1, 0x10}, 1<<32+7),
		"a number of shards beyond 32 bits": binary.AppendUvarint([]byte{0x08, 1, 0x20}, 1<<32+4),
		"a seed that is too long":           wire.AppendOwners(nil, &wire.Owners{Seed: strings.Repeat("s", wire.MaxSeed+1)}),
		"too many":                          wire.AppendOwners(nil, &wire.Owners{Epochs: make([]uint64, wire.MaxEpochs+1)}),
	} {
		if o, err := wire.DecodeOwners(b); !errors.Is(err, outcome.ErrBadEnvelope) || len(o.Epochs) > 0 {
			t.Errorf("%s: %d epochs, %v", name, len(o.Epochs), err)
		}
	}
}

// FuzzDecodeOwners: never a panic, and generated code reads the same.
func FuzzDecodeOwners(f *testing.F) {
	f.Add(wire.AppendOwners(nil, &wire.Owners{First: 3, Epochs: []uint64{1, 0, 1 << 33}, NumShards: 9}))
	f.Add(binary.AppendUvarint([]byte{0x08, 1, 0x20}, 1<<32+4))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := wire.DecodeOwners(data)
		if err != nil {
			return
		}
		var g clstrpb.Owners
		if err := proto.Unmarshal(data, &g); err != nil {
			t.Fatalf("generated code does not read %x: %v", data, err)
		}
		if o.First != g.First || o.NumShards != g.NumShards || o.Seed != string(g.Seed) || !slices.Equal(o.Epochs, g.Epochs) {
			t.Fatalf("%x: %v, generated %v", data, o, &g)
		}
	})
}
