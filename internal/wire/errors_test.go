package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"google.golang.org/protobuf/proto"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/internal/wire/internal/clstrpb"
)

// measure returns the size of an error's tree.
func measure(e *outcome.Error) (nodes, depth int) {
	nodes = 1
	for _, c := range e.Causes {
		n, d := measure(c)
		nodes, depth = nodes+n, max(depth, d)
	}
	return nodes, depth + 1
}

// measureSent is measure for what is in a packet, before any reader cuts it.
func measureSent(e *clstrpb.Error) (nodes, depth int) {
	nodes = 1
	for _, c := range e.Causes {
		n, d := measureSent(c)
		nodes, depth = nodes+n, max(depth, d)
	}
	return nodes, depth + 1
}

// wide is an error with n causes beside each other, chain one with n behind each other.
func wide(n int) *outcome.Error {
	e := &outcome.Error{Code: "root"}
	for i := range n {
		e.Causes = append(e.Causes, &outcome.Error{Code: fmt.Sprint("c", i)})
	}
	return e
}

func chain(n int) *outcome.Error {
	e := &outcome.Error{Code: "end"}
	for range n {
		e = &outcome.Error{Code: "c", Outcome: outcome.MaybeRan, Causes: []*outcome.Error{e}}
	}
	return e
}

// A tree within the bounds travels whole; one beyond them is cut, says so, and costs
// neither the stack nor the packet.
func TestErrorTreeBounds(t *testing.T) {
	for _, c := range []struct {
		name         string
		err          *outcome.Error
		nodes, depth int
		cut          bool
	}{
		{"alone", wide(0), 1, 1, false},
		{"as many as may", wide(bounds.MaxErrorNodes - 1), bounds.MaxErrorNodes, 2, false},
		{"one too many", wide(bounds.MaxErrorNodes), bounds.MaxErrorNodes, 2, true},
		{"as deep as may be", chain(bounds.MaxErrorDepth - 1), bounds.MaxErrorDepth, bounds.MaxErrorDepth, false},
		{"too deep", chain(bounds.MaxErrorDepth), bounds.MaxErrorDepth, bounds.MaxErrorDepth, true},
		{"far too deep", chain(10_000), bounds.MaxErrorDepth, bounds.MaxErrorDepth, true},
		{"a nil one", &outcome.Error{Code: "root", Causes: []*outcome.Error{{Code: "a"}, nil}}, 2, 2, true},
		{"not UTF-8 below", &outcome.Error{Code: "root", Causes: []*outcome.Error{{Code: "a"}, {Code: "\xff"}, {Code: "b"}}}, 4, 2, false},
	} {
		b := wire.AppendReply(nil, 1, nil, c.err)
		if len(b) > 500 {
			t.Errorf("%s: %d bytes", c.name, len(b))
		}
		sent := new(clstrpb.Packet)
		if err := proto.Unmarshal(b, sent); err != nil {
			t.Fatal(err)
		}
		if nodes, depth := measureSent(sent.Replies[0].Error); nodes != c.nodes || depth != c.depth {
			t.Errorf("%s: %d errors were sent, %d deep", c.name, nodes, depth)
		}
		e := decode(t, wire.AppendEnd(b, 0)).Replies[0].Err
		if nodes, depth := measure(e); nodes != c.nodes || depth != c.depth || e.Cut != c.cut || e.Code != c.err.Code {
			t.Errorf("%s: %d errors, %d deep, cut %v: %+v", c.name, nodes, depth, e.Cut, e)
		}
		if c.err.Cut {
			t.Errorf("%s: the error itself was marked", c.name)
		}
	}
}

// What a hostile node sends is cut in the same way.
func TestDecodedTreeIsBounded(t *testing.T) {
	deep, flat := []byte(nil), []byte(nil)
	for range 10_000 {
		deep = field(number(nil, 2, 3), 6, deep)
		flat = field(flat, 6, nil)
	}
	for name, data := range map[string][]byte{"deep": deep, "flat": flat} {
		e := decode(t, packet(4, field(nil, 3, data))).Replies[0].Err
		if nodes, depth := measure(e); nodes < 2 || nodes > bounds.MaxErrorNodes || depth > bounds.MaxErrorDepth || !e.Cut {
			t.Errorf("%s: %d errors, %d deep, cut %v", name, nodes, depth, e.Cut)
		}
	}
}

// FuzzErrorTree reads any bytes as an error: within the bounds, and what was read is
// written and read again as the same, by hand and by generated code.
func FuzzErrorTree(f *testing.F) {
	for _, e := range []*outcome.Error{wide(40), chain(12), {Code: "c", Message: "m\xff", Detail: []byte("{}"), Cut: true, RetryAfter: 5000}} {
		full, err := proto.Marshal(generatedError(e))
		if err != nil {
			full = wire.AppendReply(nil, 0, nil, e)
		}
		f.Add(full)
	}
	f.Add(bytes.Repeat([]byte{0x32, 0x02}, 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d wire.Decoder
		var p wire.Packet
		if d.Decode(packet(4, field(nil, 3, data)), &p) != nil {
			return
		}
		e := p.Replies[0].Err
		if nodes, depth := measure(e); nodes > bounds.MaxErrorNodes || depth > bounds.MaxErrorDepth {
			t.Fatalf("%d errors, %d deep", nodes, depth)
		}
		again := wire.AppendEnd(wire.AppendReply(nil, 0, nil, e), 0)
		want := normal(t, generated(&p))
		if got := normal(t, generated(decode(t, again))); !bytes.Equal(got, want) {
			t.Fatalf("written and read again: %x\nwant %x", got, want)
		}
		g := new(clstrpb.Packet)
		if err := proto.Unmarshal(again, g); err != nil || !bytes.Equal(normal(t, g), want) {
			t.Fatalf("generated code reads %v, %v, we %x", g, err, want)
		}
	})
}
