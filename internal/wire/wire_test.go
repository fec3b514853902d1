package wire_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var update = flag.Bool("update", false, "write the golden file")

// full is a packet with every field of every message, in the order in which a
// decoder returns them.
func full() wire.Packet {
	return wire.Packet{
		FirstID: 1 << 40,
		Envelopes: []wire.Envelope{
			{
				Envelope: transport.Envelope{
					Shard: 4095, Type: "Deposit", Data: []byte{0, 1, 0xff}, Key: "acc-\xff", Kind: "account",
					Headers: map[string]string{"trace\x00": "00-\xfe"}, TTLMs: 30_000,
					Delivery: transport.AwaitAccept, NumShards: 4096, Layout: 1<<63 | 5, Retry: true, ID: "order-ü", AgeMs: 1500, Codec: "cbor",
				},
				Budget: 1500 * time.Microsecond,
				Waiting: &turn.Turn{
					Shard: 7, Number: 1<<64 - 1, Kind: "account", Key: "acc-\xff", By: &turn.Turn{
						Number: 1, Role: turn.Stop, By: &turn.Turn{Shard: 1<<32 - 1, Number: 5, Role: turn.Func},
					},
				},
				Number: 1 << 33, After: 1<<33 - 1,
				Epoch:   1<<64 - 1,
				Unknown: []byte{0xa0, 0x06, 0x07}, // field 100, varint 7
			},
			{},
			{Envelope: transport.Envelope{Shard: 1<<32 - 1, Delivery: transport.AwaitNothing}},
		},
		Replies: []wire.Reply{
			{ID: 1, Data: []byte("reply"), Unknown: []byte{0xa2, 0x06, 0x01, 'u'}},
			{ID: 1<<64 - 1},
			{ID: 2, Owner: wire.Owner{Epoch: 5, Node: "a-_9"}, Unawaited: true, Shard: 1<<32 - 1},
			{ID: 1<<64 - 1 - 300, Further: 300},
			{ID: 3, Err: &outcome.Error{
				Code: "overloaded", Outcome: outcome.NotStarted, Message: "overloaded: ü", RetryAfter: 10 * time.Millisecond,
				Detail: []byte(`{"n":1}`), Cut: true, Causes: []*outcome.Error{
					{Code: "nobody.knows", Outcome: outcome.MaybeRan, Causes: []*outcome.Error{{Code: "inner", Outcome: outcome.NotSent}}},
					{Code: "another", Outcome: outcome.MaybeRan},
				},
			}},
		},
		Cancels: []uint64{5, 1<<64 - 1},
		Unknown: []byte{0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8}, // field 100, fixed64
	}
}

// decode decodes with a decoder and a packet of its own.
func decode(t testing.TB, data []byte) *wire.Packet {
	t.Helper()
	var d wire.Decoder
	p := new(wire.Packet)
	if err := d.Decode(data, p); err != nil {
		t.Fatalf("%x: %v", data, err)
	}
	return p
}

func TestRoundTrip(t *testing.T) {
	want := full()
	got := decode(t, want.Append(nil))
	if unshare(got); !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

// unshare forgets which data are a small part of the packet.
func unshare(p *wire.Packet) {
	for i := range p.Envelopes {
		p.Envelopes[i].Shared = false
	}
	for i := range p.Replies {
		p.Replies[i].Shared = false
	}
}

// Nothing of a packet stays for the next one that its decoder decodes into the
// same memory.
func TestDecodeReuses(t *testing.T) {
	var d wire.Decoder
	var p wire.Packet
	first := full()
	for _, want := range []wire.Packet{first, {Envelopes: []wire.Envelope{{}, {}}, Replies: []wire.Reply{{}}}} {
		if err := d.Decode(want.Append(nil), &p); err != nil {
			t.Fatal(err)
		}
		if len(want.Cancels) == 0 {
			want.Cancels = p.Cancels[:0]
		}
		if unshare(&p); !reflect.DeepEqual(p, want) {
			t.Errorf("got  %+v\nwant %+v", p, want)
		}
	}
}

// The bytes are a contract: what a released version wrote must be read for ever,
// so what is written may change only together with the version.
func TestGolden(t *testing.T) {
	const file = "testdata/packet.hex"
	p := full()
	got := hex.Dump(p.Append(nil))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Whoever gets an envelope owns it: what he writes or appends to Data reaches no
// neighbour in the same packet.
func TestDataIsApart(t *testing.T) {
	var b []byte
	for _, data := range []string{"first", "second", "third"} {
		b = wire.AppendEnvelope(b, &transport.Envelope{Type: "T", Data: []byte(data), Key: data}, 0, nil, 0)
		b = wire.AppendReply(b, 1, []byte(data), nil)
	}
	p := decode(t, wire.AppendEnd(b, 1))
	for i := range p.Envelopes {
		for _, data := range [][]byte{p.Envelopes[i].Data, p.Replies[i].Data} {
			clear(data)
			_ = append(data, "overwritten"...)
		}
	}
	for i, want := range []string{"first", "second", "third"} {
		for _, data := range [][]byte{p.Envelopes[i].Data, p.Replies[i].Data} {
			if !bytes.Equal(data, make([]byte, len(want))) {
				t.Errorf("item %d: its neighbours have made %q of its data", i, data)
			}
		}
		if e := p.Envelopes[i]; e.Key != want || e.Type != "T" {
			t.Errorf("envelope %d: key %q, type %q", i, e.Key, e.Type)
		}
	}
}

// Encoding copies: sender and packet share no memory.
func TestAppendCopies(t *testing.T) {
	data, detail := []byte("data"), []byte("detail")
	b := wire.AppendEnvelope(nil, &transport.Envelope{Data: data}, 0, nil, 0)
	b = wire.AppendReply(b, 1, data, nil)
	b = wire.AppendReply(b, 2, nil, &outcome.Error{Code: "c", Outcome: outcome.MaybeRan, Detail: detail})
	b = wire.AppendEnd(b, 1)
	before := bytes.Clone(b)
	clear(data)
	clear(detail)
	if !bytes.Equal(b, before) {
		t.Error("the packet has changed with what was appended to it")
	}
}

func TestTimesTravelAsWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		env    transport.Envelope
		budget time.Duration
		ttl    int64
		left   time.Duration
	}{
		{budget: 0, left: 0},
		{budget: -1, left: 0},
		{budget: 1, left: time.Microsecond}, // none would be for ever
		{budget: 1999, left: time.Microsecond},
		{budget: time.Hour, left: time.Hour},
		{budget: 1<<63 - 1, left: (1<<63 - 1) / 2},
		{env: transport.Envelope{TTLMs: 1}, ttl: 1},
		{env: transport.Envelope{TTLMs: 5, CreatedAtMs: 1}, ttl: 1}, // over long since, and none would be for ever
	} {
		b := wire.AppendEnvelope(nil, &c.env, c.budget, nil, 0)
		e := decode(t, wire.AppendEnd(b, 1)).Envelopes[0]
		if e.Budget/time.Microsecond != c.left/time.Microsecond || e.TTLMs != c.ttl || e.CreatedAtMs != 0 {
			t.Errorf("%+v, budget %v: got a budget of %v and a TTL of %d ms", c.env, c.budget, e.Budget, e.TTLMs)
		}
	}
}

// An application's error may have any bytes in its text; a packet stays
// readable for every protobuf library all the same.
func TestErrorText(t *testing.T) {
	in := &outcome.Error{Code: "a\xff", Outcome: outcome.RanAndFailed, Message: "b\xff", Causes: []*outcome.Error{{Message: "c\xff"}}}
	p := decode(t, wire.AppendEnd(wire.AppendReply(nil, 1, nil, in), 0))
	if e := p.Replies[0].Err; e.Code != "a\uFFFD" || e.Message != "b\uFFFD" || e.Causes[0].Message != "c\uFFFD" || outcome.Resolve(e).Causes[0].Outcome != outcome.MaybeRan {
		t.Errorf("got %+v, cause %+v", e, e.Causes[0])
	}
	if in.Message != "b\xff" || in.Causes[0].Message != "c\xff" {
		t.Error("the error itself was changed")
	}
}

// TestAppendTimes: one error for many ids is what each of them gets.
func TestAppendTimes(t *testing.T) {
	err := outcome.Overloaded(time.Second, "full \xff").WithCause(outcome.Errorf(outcome.ErrBadEnvelope, "bad"))
	for _, first := range []uint64{0, 100, math.MaxUint64 - 3} { // the ids grow by a byte, and begin anew
		var want []byte
		for i := range uint64(200) {
			want = wire.AppendReply(want, first+i, nil, err)
		}
		if got := (&wire.Reply{ID: first, Err: err}).AppendTimes(nil, 200); !bytes.Equal(got, want) {
			t.Errorf("from %d on: %d bytes, want %d", first, len(got), len(want))
		}
	}
}
