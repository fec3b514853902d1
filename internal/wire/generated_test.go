package wire_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

// generated makes of a packet what the generated code would hold.
func generated(p *wire.Packet) *clstrpb.Packet {
	g := &clstrpb.Packet{Version: wire.Version, FirstId: p.FirstID, Cancels: p.Cancels}
	for _, e := range p.Envelopes {
		pb := &clstrpb.Envelope{
			Shard: uint32(e.Shard), Type: e.Type, Data: e.Data, Key: []byte(e.Key), Kind: e.Kind,
			BudgetUs: uint64(e.Budget / time.Microsecond), TtlMs: uint64(e.TTLMs),
			Delivery: clstrpb.Delivery(e.Delivery), NumShards: e.NumShards, Layout: e.Layout, Retry: e.Retry, Id: e.ID, AgeMs: uint64(e.AgeMs), Epoch: e.Epoch, Codec: e.Codec,
			Number: e.Number, After: e.After,
		}
		for t := range e.Waiting.Line() {
			pb.Turns = append(pb.Turns, &clstrpb.Turn{Shard: t.Shard, Number: t.Number, Kind: []byte(t.Kind), Key: []byte(t.Key), Role: clstrpb.Role(t.Role)})
		}
		for name, value := range e.Headers {
			pb.Headers = append(pb.Headers, &clstrpb.Header{Name: []byte(name), Value: []byte(value)})
		}
		pb.ProtoReflect().SetUnknown(e.Unknown)
		g.Envelopes = append(g.Envelopes, pb)
	}
	for _, r := range p.Replies {
		pb := &clstrpb.Reply{Id: r.ID, Data: r.Data, Error: generatedError(r.Err), Epoch: r.Owner.Epoch, Node: r.Owner.Node, Unawaited: r.Unawaited, Shard: r.Shard, Further: r.Further}
		pb.ProtoReflect().SetUnknown(r.Unknown)
		g.Replies = append(g.Replies, pb)
	}
	g.ProtoReflect().SetUnknown(p.Unknown)
	return g
}

func generatedError(e *outcome.Error) *clstrpb.Error {
	if e == nil {
		return nil
	}
	g := &clstrpb.Error{
		Code: e.Code, Outcome: clstrpb.Outcome(e.Outcome), Message: e.Message,
		RetryAfterUs: uint64(e.RetryAfter / time.Microsecond), Detail: e.Detail, Cut: e.Cut,
	}
	for _, c := range e.Causes {
		g.Causes = append(g.Causes, generatedError(c))
	}
	return g
}

// normal orders headers, which have no order, and forgets the difference
// between no bytes and none.
func normal(t testing.TB, g *clstrpb.Packet) []byte {
	t.Helper()
	for _, e := range g.Envelopes {
		slices.SortFunc(e.Headers, func(a, b *clstrpb.Header) int { return bytes.Compare(a.Name, b.Name) })
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is written by hand is what generated code reads.
func TestGeneratedReads(t *testing.T) {
	p := full()
	p.Envelopes[0].Headers = map[string]string{"a": "1", "b": "2", "": ""}
	got := new(clstrpb.Packet)
	if err := proto.Unmarshal(p.Append(nil), got); err != nil {
		t.Fatal(err)
	}
	if want := generated(&p); !bytes.Equal(normal(t, got), normal(t, want)) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What generated code writes is read by hand.
func TestGeneratedWrites(t *testing.T) {
	p := full()
	want := generated(&p)
	b, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := generated(decode(t, b)); !bytes.Equal(normal(t, got), normal(t, want)) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// The order of fields is free: pieces of a packet may stand in any order.
func TestFieldsInAnyOrder(t *testing.T) {
	p := full()
	b := append(wire.AppendEnd(nil, p.FirstID), p.Append(nil)...) // version and first id twice, and first
	if got := decode(t, b); got.FirstID != p.FirstID || len(got.Envelopes) != len(p.Envelopes) {
		t.Errorf("got %+v", got)
	}
}
