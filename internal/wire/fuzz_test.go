package wire_test

import (
	"bytes"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
	"github.com/clstr-go/clstr/transport"
)

// FuzzDecode decodes any bytes: never a panic, and what is accepted survives
// being written again, and means what it means to generated code.
func FuzzDecode(f *testing.F) {
	p := full()
	f.Add(p.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		var d wire.Decoder
		var p wire.Packet
		if d.Decode(data, &p) != nil {
			return
		}
		if !bytes.Equal(data, before) {
			t.Fatal("the packet was changed")
		}
		again := decode(t, p.Append(nil))
		if slices.ContainsFunc(p.Envelopes, func(e wire.Envelope) bool { return !utf8.ValidString(e.Type + e.Kind + e.ID + e.Codec) }) {
			return // the packet is fine; Validate refuses the envelope, and generated code all of it
		}
		if got, want := normal(t, generated(again)), normal(t, generated(&p)); !bytes.Equal(got, want) {
			t.Fatalf("written and read again: %x\nwant %x", got, want)
		}
		sameAsGenerated(t, data)
	})
}

// sameAsGenerated reads data with generated code, writes that in its normal
// form, and compares how both read it.
func sameAsGenerated(t *testing.T, data []byte) {
	g := new(clstrpb.Packet)
	if proto.Unmarshal(data, g) != nil {
		return // text that is not UTF-8, which we mend or leave to Validate
	}
	for _, e := range g.Envelopes {
		e.Headers = nil // one name twice: a list there, a map here
		for _, t := range e.Turns {
			t.ProtoReflect().SetUnknown(nil) // a turn goes on without them
		}
		if e.BudgetUs > 1<<40 || e.TtlMs > 1<<40 || e.AgeMs > 1<<40 {
			return // capped
		}
	}
	for _, r := range g.Replies {
		r.Error = nil // outcomes of later versions and long chains of causes are mended
	}
	b, err := proto.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := normal(t, generated(decode(t, b))), normal(t, g); !bytes.Equal(got, want) {
		t.Fatalf("got  %x\nwant %x", got, want)
	}
}

// FuzzRoundTrip writes what an application may send and reads it again, by hand
// and by generated code.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint32(7), "Deposit", []byte("{}"), "acc-1", "account", "trace", "00-1", int64(5000), int64(30_000), uint8(0), uint64(9), "application", "no", "order-1", int64(1500))
	f.Fuzz(func(t *testing.T, shard uint32, name string, data []byte, key, kind, header, value string, budget, ttl int64, delivery uint8, id uint64, code, text, command string, age int64) {
		env := transport.Envelope{
			Shard: int(shard), Type: name, Data: data, Key: key, Kind: kind, Headers: map[string]string{header: value},
			TTLMs: ttl, Delivery: transport.Delivery(delivery % 3), NumShards: shard, Layout: id, ID: command, AgeMs: age,
		}
		if env.Validate() != nil {
			return
		}
		fault := &outcome.Error{Code: code, Outcome: outcome.Outcome(1 + delivery%4), Message: text, Detail: data, RetryAfter: time.Duration(budget)}
		b := wire.AppendEnvelope(nil, &env, time.Duration(budget), nil, 0)
		b = wire.AppendReply(b, id, data, nil)
		b = wire.AppendReply(b, id+1, nil, fault)
		b = wire.AppendCancel(b, id)
		b = wire.AppendEnd(b, id)

		p := decode(t, b)
		e := p.Envelopes[0]
		if e.Shard != env.Shard || e.Type != name || !bytes.Equal(e.Data, data) || e.Key != key || e.Kind != kind ||
			e.Headers[header] != value || e.Delivery != env.Delivery || e.NumShards != shard || e.Layout != id || e.ID != command || e.AgeMs != age && age < 1<<40 ||
			(e.Budget > 0) != (budget > 0) || (e.TTLMs > 0) != (ttl > 0) || e.TTLMs > ttl {
			t.Errorf("got %+v, want %+v", e, env)
		}
		if r := p.Replies[0]; r.ID != id || !bytes.Equal(r.Data, data) || r.Err != nil {
			t.Errorf("reply %+v", r)
		}
		if r := p.Replies[1]; r.Err == nil || r.Err.Outcome != fault.Outcome || !bytes.Equal(r.Err.Detail, data) || (r.Err.RetryAfter > 0) != (budget > 0) {
			t.Errorf("reply %+v", r)
		}
		if len(p.Cancels) != 1 || p.Cancels[0] != id || p.FirstID != id {
			t.Errorf("cancels %v, first id %d", p.Cancels, p.FirstID)
		}
		g := new(clstrpb.Packet)
		if err := proto.Unmarshal(b, g); err != nil {
			t.Fatal(err)
		}
		if budget > 1<<60 || ttl > 1<<40 || age > 1<<40 {
			return // longer times are cut to what a Duration holds
		}
		if !bytes.Equal(normal(t, g), normal(t, generated(p))) {
			t.Errorf("generated code reads %v, we %v", g, generated(p))
		}
	})
}
