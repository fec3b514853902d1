package wire_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// What a receiver keeps of a packet makes it keep four times as much memory at most: a few bytes beside a large
// neighbour, or among many small ones, are shared. What is alone in its packet is not.
func TestWhatIsKeptOfAPacket(t *testing.T) {
	payload := func(n int) []byte { return bytes.Repeat([]byte{'d'}, n) }
	unknown := append([]byte{0xa2, 0x06, 0xd0, 0x0f}, payload(2000)...) // a field of a later format
	headers := map[string]string{"h": strings.Repeat("v", 1000)}
	for name, packet := range map[string]wire.Packet{
		"alone":        {Envelopes: []wire.Envelope{{Envelope: transport.Envelope{Type: "T", Data: payload(20)}}}},
		"beside large": {Envelopes: []wire.Envelope{{Envelope: transport.Envelope{Data: payload(20)}}, {Envelope: transport.Envelope{Data: payload(1 << 20)}}}},
		"beside headers": {Envelopes: []wire.Envelope{
			{Envelope: transport.Envelope{Data: payload(20), Headers: headers}}, {Envelope: transport.Envelope{Data: payload(3000)}},
		}},
		"headers only":      {Envelopes: []wire.Envelope{{Envelope: transport.Envelope{Data: payload(20), Headers: map[string]string{"h": strings.Repeat("v", 3000)}}}}},
		"unknown fields":    {Envelopes: []wire.Envelope{{Envelope: transport.Envelope{Data: payload(20)}, Unknown: unknown}}},
		"a reply's unknown": {Replies: []wire.Reply{{ID: 1, Data: payload(20), Unknown: unknown}}},
		"small ones":        {Envelopes: slicesOf(50, wire.Envelope{Envelope: transport.Envelope{Data: payload(64)}})},
		"replies":           {Replies: []wire.Reply{{ID: 1, Data: payload(20)}, {ID: 2, Data: payload(1 << 20)}}},
		"small replies":     {Replies: slicesOf(50, wire.Reply{ID: 3, Data: payload(64)})},
		"details": {Replies: []wire.Reply{
			{ID: 1, Err: outcome.Resolve(&outcome.Error{Code: "x", Outcome: outcome.MaybeRan, Detail: payload(20)})}, {ID: 2, Data: payload(1 << 20)},
		}},
		"behind unknown": {Unknown: unknown, Replies: []wire.Reply{{ID: 1, Data: payload(20)}}},
	} {
		b := packet.Append(nil)
		got := decode(t, b)
		for _, e := range got.Envelopes {
			check(t, name, b, e.Data, e.Shared, len(e.Data)+len(e.Key)+len(e.Type)+len(e.Kind)+12)
		}
		for _, r := range got.Replies {
			if r.Err != nil {
				before := bytes.Clone(r.Err.Detail)
				if clear(b); !bytes.Equal(r.Err.Detail, before) {
					t.Errorf("%s: an error keeps its packet", name)
				}
				break
			}
			check(t, name, b, r.Data, r.Shared, len(r.Data)+8)
		}
	}
}

// TestFieldThatComesTwice: the last one counts, and does not keep the first.
func TestFieldThatComesTwice(t *testing.T) {
	twice := func(field byte, outer []byte, last string) []byte {
		long := bytes.Repeat([]byte{'l'}, 1<<16)
		b := append(binary.AppendUvarint([]byte{field<<3 | 2}, uint64(len(long))), long...)
		b = append(binary.AppendUvarint(append(b, field<<3|2), uint64(len(last))), last...)
		b = append(append([]byte{}, outer...), b...)
		return b
	}
	in := func(item byte, b []byte) []byte { // a packet with this item
		return append(binary.AppendUvarint([]byte{1 << 3, wire.Version, item<<3 | 2}, uint64(len(b))), b...)
	}
	data := func(b string) []byte { return append([]byte{3<<3 | 2, byte(len(b))}, b...) }
	for name, packet := range map[string][]byte{
		"the payload": in(3, twice(3, nil, "dd")),
		"the key":     in(3, twice(4, data("dd"), "k")),
		"unknown":     in(3, twice(12, data("dd"), "k")),
		"a reply's":   in(4, twice(2, []byte{1 << 3, 7}, "dd")),
	} {
		got := decode(t, packet)
		for _, e := range got.Envelopes {
			check(t, name, packet, e.Data, e.Shared, len(e.Data)+len(e.Key)+12)
		}
		for _, r := range got.Replies {
			check(t, name, packet, r.Data, r.Shared, len(r.Data)+8)
		}
		if len(got.Envelopes)+len(got.Replies) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// check looks whether data that a receiver may keep are a large part of the packet.
func check(t *testing.T, name string, packet, data []byte, shared bool, own int) {
	t.Helper()
	if len(data) == 0 {
		t.Fatalf("%s: nothing to look at", name)
	}
	const most = 4
	switch {
	case cap(data) != len(data):
		t.Errorf("%s: what is appended to it overwrites its neighbour", name)
	case !shared && len(packet) > most*own:
		t.Errorf("%s: %d bytes keep a packet of %d", name, own, len(packet))
	case shared && len(packet) <= own+16:
		t.Errorf("%s: what is alone in its packet is shared", name)
	}
}

func slicesOf[T any](n int, v T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// TestOwnReply: a reply that is a small part of its packet is copied for a caller that may keep it, and for no other.
func TestOwnReply(t *testing.T) {
	packet := []byte("among many others")
	for _, c := range []struct{ shared, lent, copied bool }{{true, false, true}, {true, true, false}, {false, false, false}} {
		data := (&wire.Reply{Data: packet[6:10], Shared: c.shared}).Own(c.lent)
		if copied := &data[0] != &packet[6]; copied != c.copied || string(data) != "many" {
			t.Errorf("%+v: %q, copied: %v", c, data, copied)
		}
	}
}
