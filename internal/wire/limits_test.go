package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// field appends a field that holds bytes.
func field(b []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

// number appends a field that holds a number.
func number(b []byte, n protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), value)
}

// packet is a packet of one field.
func packet(n protowire.Number, value []byte) []byte { return wire.AppendEnd(field(nil, n, value), 0) }

// turnOf is a turn of a number.
func turnOf(n uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), n)
}

func turns(n int) (b []byte) {
	for i := range n {
		b = field(b, 14, turnOf(uint64(i)+1))
	}
	return b
}

func TestRefused(t *testing.T) {
	var manyHeaders, manyEnvelopes, manyCancels []byte
	for i := range bounds.MaxHeaders + 1 {
		manyHeaders = field(manyHeaders, 6, field(nil, 1, fmt.Append(nil, i)))
	}
	for range wire.MaxItems + 1 {
		manyEnvelopes = field(manyEnvelopes, 3, nil)
		manyCancels = append(manyCancels, 1)
	}
	further := func(reply []byte, n uint64) []byte { return packet(4, number(reply, 8, n)) }
	for name, data := range map[string][]byte{
		"nothing":                      nil,
		"no version":                   field(nil, 3, nil),
		"version 0":                    number(nil, 1, 0),
		"a later version":              number(nil, 1, wire.Version+1),
		"no packet":                    []byte("GET / HTTP/1.1"),
		"JSON":                         []byte(`{"shard":1}`),
		"field number 0":               wire.AppendEnd([]byte{0x02, 0x00}, 0),
		"a group's end":                wire.AppendEnd([]byte{0x0c}, 0),
		"cut":                          field(nil, 3, []byte("x"))[:2],
		"length beyond end":            {0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"endless varint":               bytes.Repeat([]byte{0xff}, 20),
		"cut envelope":                 packet(3, []byte{0x12, 0x05, 'x'}),
		"cut reply":                    packet(4, []byte{0x12, 0x05, 'x'}),
		"cut error":                    packet(4, field(nil, 3, []byte{0x0a, 0x05})),
		"cut cause":                    packet(4, field(nil, 3, field(nil, 6, []byte{0x0a, 0x05}))),
		"cut header":                   packet(3, field(nil, 6, []byte{0x0a, 0x05})),
		"cut cancels":                  packet(5, []byte{0x80}),
		"shard over 32 bits":           packet(3, number(nil, 1, 1<<32)),
		"num_shards over 32":           packet(3, number(nil, 10, 1<<32)),
		"unknown delivery":             packet(3, number(nil, 9, 3)),
		"long type":                    packet(3, field(nil, 2, make([]byte, bounds.MaxTypeBytes+1))),
		"long kind":                    packet(3, field(nil, 5, make([]byte, bounds.MaxTypeBytes+1))),
		"long codec":                   packet(3, field(nil, 20, make([]byte, bounds.MaxCodecBytes+1))),
		"long turn's kind":             packet(3, field(nil, 14, field(turnOf(1), 3, make([]byte, turn.MaxName+1)))),
		"long turn's key":              packet(3, field(nil, 14, field(turnOf(1), 4, make([]byte, turn.MaxName+1)))),
		"turn's shard":                 packet(3, field(nil, 14, number(turnOf(1), 1, 1<<32))),
		"turn of no number":            packet(3, field(nil, 14, nil)),
		"cut turn":                     packet(3, field(nil, 14, []byte{0x1a, 0x05})),
		"too many turns":               packet(3, turns(turn.Most+1)),
		"too many headers":             packet(3, manyHeaders),
		"too many envelopes":           wire.AppendEnd(manyEnvelopes, 0),
		"too many cancels":             packet(5, manyCancels),
		"further ids, too many":        further(number(nil, 1, 1), wire.MaxItems),
		"further ids, for ever":        further(number(nil, 1, 1), 1<<64-1),
		"further ids, beyond the last": further(number(nil, 1, 1<<64-10), 10),
		"further ids with data":        further(field(nil, 2, []byte("x")), 1),
		"further ids with an error":    further(field(nil, 3, field(nil, 1, []byte("x"))), 1),
		"further ids, unawaited":       further(number(nil, 6, 1), 1),
		"further ids with an owner":    further(number(nil, 4, 1), 1),
		"further ids of several":       append(field(nil, 4, number(nil, 8, wire.MaxItems/2)), further(nil, wire.MaxItems/2)...),
		"too many together":            append(manyEnvelopes[:2*wire.MaxItems:2*wire.MaxItems], wire.AppendEnd(number(nil, 5, 1), 0)...),
	} {
		var d wire.Decoder
		err := d.Decode(data, new(wire.Packet))
		if !errors.Is(err, outcome.ErrBadEnvelope) || outcome.Of(err) != outcome.NotStarted {
			t.Errorf("%s: %v, outcome %v", name, err, outcome.Of(err))
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestEdgesAreAccepted(t *testing.T) {
	var most []byte
	for range wire.MaxItems {
		most = field(most, 3, nil)
	}
	if p := decode(t, wire.AppendEnd(most, 1)); len(p.Envelopes) != wire.MaxItems {
		t.Errorf("%d envelopes", len(p.Envelopes))
	}
	if p := decode(t, packet(4, number(number(nil, 1, 1<<64-wire.MaxItems), 8, wire.MaxItems-1))); p.Replies[0].Further != wire.MaxItems-1 {
		t.Errorf("%d further ids", p.Replies[0].Further)
	}
	long := strings.Repeat("t", bounds.MaxTypeBytes)
	if p := decode(t, packet(3, field(field(nil, 2, []byte(long)), 5, []byte(long)))); p.Envelopes[0].Type != long || p.Envelopes[0].Kind != long {
		t.Error("type or kind is lost")
	}
	// A field that is known by another type is an unknown one, as protobuf has it.
	if p := decode(t, packet(3, number(nil, 2, 7))); p.Envelopes[0].Type != "" || len(p.Envelopes[0].Unknown) == 0 {
		t.Errorf("got %+v", p.Envelopes[0])
	}
	if p := decode(t, packet(3, turns(turn.Most))); p.Envelopes[0].Waiting == nil || p.Envelopes[0].Waiting.By.Number != 2 {
		t.Error("the turns are lost")
	}
	if p := decode(t, packet(3, field(nil, 14, number(turnOf(1), 5, 1<<40)))); p.Envelopes[0].Waiting == nil {
		t.Error("a turn of a later role is refused")
	}
	if p := decode(t, packet(5, []byte{1, 2, 3})); len(p.Cancels) != 3 {
		t.Errorf("packed cancels: %v", p.Cancels)
	}
	// Nothing is known of an outcome of a later version.
	if p := decode(t, packet(4, field(nil, 3, number(nil, 2, 1<<40)))); outcome.Resolve(p.Replies[0].Err).Outcome != outcome.MaybeRan {
		t.Errorf("outcome %v", p.Replies[0].Err.Outcome)
	}
}

// What a packet makes a decoder allocate is bounded by MaxItems and by the
// packet's own size, whatever it claims.
func TestMemoryIsBounded(t *testing.T) {
	worst := wire.AppendEnd(nil, 0)
	for range wire.MaxItems {
		worst = field(worst, 3, []byte{0x32, 0x00}) // a header without name and value
	}
	var manyCauses []byte // each of two bytes
	for range wire.MaxItems {
		manyCauses = field(manyCauses, 4, field(nil, 3, bytes.Repeat([]byte{0x32, 0x00}, 2*bounds.MaxErrorNodes)))
	}
	manyCauses = wire.AppendEnd(manyCauses, 0)
	for name, data := range map[string][]byte{
		"headers":    worst,
		"turns":      wire.AppendEnd(bytes.Repeat(field(nil, 3, turns(turn.Most)), wire.MaxItems), 0),
		"claims":     {0x1a, 0xff, 0xff, 0xff, 0xff, 0x07},
		"names":      packet(3, field(nil, 2, make([]byte, 1<<20))),
		"not UTF-8":  packet(4, field(nil, 3, field(nil, 3, bytes.Repeat([]byte{0xff}, 1<<20)))),
		"causes":     manyCauses,
		"cancels":    packet(5, bytes.Repeat([]byte{1}, 1<<20)),
		"unknown":    wire.AppendEnd(bytes.Repeat([]byte{0xa0, 0x06, 0x07}, 1<<18), 0),
		"all at end": append(bytes.Repeat([]byte{0xa0, 0x06, 0x07}, 1<<18), 0xff),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var d wire.Decoder
		_ = d.Decode(data, new(wire.Packet))
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20+8*len(data)); got > most {
			t.Errorf("%s: %d bytes for a packet of %d", name, got, len(data))
		}
	}
}

// Names are kept so that they cost nothing each time, but not for ever.
func TestManyNames(t *testing.T) {
	var d wire.Decoder
	var p wire.Packet
	decodeOne := func(name string) {
		b := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Type: name, Kind: "k"}, 0, nil, 0), 1)
		if err := d.Decode(b, &p); err != nil || p.Envelopes[0].Type != name || p.Envelopes[0].Kind != "k" {
			t.Fatalf("%s: %+v, %v", name, p.Envelopes[0], err)
		}
	}
	for i := range 5000 {
		decodeOne(fmt.Sprint("type", i%3000))
	}
	b := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Type: "type", Kind: "k", Data: []byte("x")}, 0, nil, 0), 1)
	if n := testing.AllocsPerRun(100, func() { _ = d.Decode(b, &p) }); n != 0 {
		t.Errorf("%v allocations for a packet whose names are known", n)
	}
}

// TestTurnsAreCut: of a long line the nearest travel.
func TestTurnsAreCut(t *testing.T) {
	var line *turn.Turn
	for n := range uint64(100) {
		line = &turn.Turn{Number: 100 - n, Kind: "k", Key: "key", By: line}
	}
	b := wire.AppendEnvelope(nil, &transport.Envelope{}, 0, line, 0)
	if got, want := len(b), len(wire.AppendEnvelope(nil, &transport.Envelope{}, 0, nil, 0))+wire.SizeTurns(line); got < want || got > want+4 {
		t.Errorf("%d bytes, want %d", got, want)
	}
	n := uint64(0)
	for turn := decode(t, wire.AppendEnd(b, 1)).Envelopes[0].Waiting; turn != nil; turn = turn.By {
		if n++; turn.Number != n || turn.Kind != "k" || turn.Key != "key" {
			t.Errorf("turn %d is %+v", n, turn)
		}
	}
	if n != turn.Most {
		t.Errorf("%d turns, want %d", n, turn.Most)
	}
}
