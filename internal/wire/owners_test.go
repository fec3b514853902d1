package wire_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

func TestOwners(t *testing.T) {
	owners := func(n int) (all []wire.Owner) {
		for i := range n {
			all = append(all, wire.Owner{Epoch: uint64(i), Node: fmt.Sprint("n-", i%3)})
		}
		return all
	}
	for _, o := range []wire.Owners{
		{},
		{First: 7, NumShards: 64, Seed: "prod\xff"},
		{First: 7, Ask: wire.AskOne},
		{First: math.MaxUint32, Ask: wire.AskLiving},
		{First: 0, Owners: []wire.Owner{{}, {Epoch: 1, Node: "a"}, {Epoch: 300, Node: "b"}, {Epoch: 1 << 40, Node: "a"}, {Epoch: 5}}, NumShards: 4},
		{First: 1 << 19, Owners: owners(wire.MaxEpochs), NumShards: 1 << 20},
		{Node: "a"},
		{Node: "a", Runs: []uint32{0, 3, 70, 1}},
		{Node: "a", Runs: []uint32{0, wire.MaxShards}},
		{Node: "a", Runs: []uint32{math.MaxUint32, 1}},
		{Node: "c", Runs: []uint32{1, 1}, Owners: owners(9), NumShards: 9},
	} {
		b := wire.AppendOwners(nil, &o)
		got, err := wire.DecodeOwners(b)
		if err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("%d owners from %d on: got %d from %d on, %v", len(o.Owners), o.First, len(got.Owners), got.First, err)
		}
		if !same(t, b, &o) {
			t.Errorf("%d owners from %d on: generated code reads others", len(o.Owners), o.First)
		}
	}
}

// same reports whether generated code reads what is decoded.
func same(t *testing.T, b []byte, o *wire.Owners) bool {
	t.Helper()
	var g clstrpb.Owners
	if err := proto.Unmarshal(b, &g); err != nil {
		t.Fatalf("generated code does not read %x: %v", b, err)
	}
	ok := g.Version == wire.Version && g.First == o.First && g.NumShards == o.NumShards && string(g.Seed) == o.Seed &&
		len(g.Epochs) == len(o.Owners) && slices.Equal(g.Runs, o.Runs)
	for i, owner := range o.Owners {
		node := ""
		if i < len(g.Owners) && g.Owners[i] > 0 {
			node = g.Nodes[g.Owners[i]-1]
		}
		ok = ok && g.Epochs[i] == owner.Epoch && node == owner.Node
	}
	return ok && (o.Node == "" || g.Nodes[0] == o.Node)
}

func TestOwnersThatAreNone(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                           nil,
		"no message":                        {0xff},
		"half a number":                     append(wire.AppendOwners(nil, &wire.Owners{}), 0x1a, 1, 0xff),
		"a node that is no token":           wire.AppendOwners(nil, &wire.Owners{Node: "a.b"}),
		"a node that is too long":           wire.AppendOwners(nil, &wire.Owners{Node: strings.Repeat("n", wire.MaxNode+1)}),
		"an owner that is not named":        append(wire.AppendOwners(nil, &wire.Owners{Owners: []wire.Owner{{Epoch: 1, Node: "a"}}}), 0x3a, 1, 2, 0x1a, 1, 1),
		"runs of too many shards":           wire.AppendOwners(nil, &wire.Owners{Node: "a", Runs: []uint32{0, wire.MaxShards, 1, 1}}),
		"runs beyond 32 bits":               wire.AppendOwners(nil, &wire.Owners{Node: "a", Runs: []uint32{math.MaxUint32, 1, 0, 1}}),
		"another version":                   {0x08, 2},
		"a first shard beyond 32 bits":      binary.AppendUvarint([]byte{0x08, 1, 0x10}, 1<<32+7),
		"a number of shards beyond 32 bits": binary.AppendUvarint([]byte{0x08, 1, 0x20}, 1<<32+4),
		"a seed that is too long":           wire.AppendOwners(nil, &wire.Owners{Seed: strings.Repeat("s", wire.MaxSeed+1)}),
		"too many":                          wire.AppendOwners(nil, &wire.Owners{Owners: make([]wire.Owner, wire.MaxEpochs+1)}),
	} {
		if o, err := wire.DecodeOwners(b); !errors.Is(err, outcome.ErrBadEnvelope) || len(o.Owners) > 0 {
			t.Errorf("%s: %d owners, %v", name, len(o.Owners), err)
		}
	}
}

// FuzzDecodeOwners: never a panic, and generated code reads the same.
func FuzzDecodeOwners(f *testing.F) {
	f.Add(wire.AppendOwners(nil, &wire.Owners{First: 3, Owners: []wire.Owner{{Epoch: 1, Node: "a"}, {}, {Epoch: 1 << 33, Node: "b"}}, NumShards: 9}))
	f.Add(wire.AppendOwners(nil, &wire.Owners{Node: "a", Runs: []uint32{7, 1, 3, 9}}))
	f.Add(binary.AppendUvarint([]byte{0x08, 1, 0x20}, 1<<32+4))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := wire.DecodeOwners(data)
		if err != nil {
			return
		}
		if !same(t, data, &o) {
			t.Fatalf("%x: %v, and generated code reads others", data, o)
		}
	})
}
