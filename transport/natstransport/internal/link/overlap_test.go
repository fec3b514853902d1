package link

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestOverlap: each sender's messages come over the old connection up to some point, and over the new one from
// an earlier point on. Between the connections, and between senders, they come in any order. Each is taken once,
// in its sender's order.
func TestOverlap(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const senders, each = 4, 30
		message := func(sender, n int) *nats.Msg {
			m := &nats.Msg{Reply: string(rune('a' + sender)), Data: binary.AppendUvarint(nil, uint64(n))}
			if sender == 3 { // a foreign one, which wants no reply
				m.Reply, m.Data = "", append([]byte("it"), m.Data...)
			}
			return m
		}
		var old, fresh [senders]int // the next over each
		var last [senders]int       // over the old one
		for s := range senders {
			fresh[s] = rnd.IntN(each)
			last[s] = fresh[s] + rnd.IntN(each-fresh[s])
		}
		var o overlap
		var taken []*nats.Msg
		come := func(m *nats.Msg, two, isOld bool) {
			if o.admits(m, two, isOld) {
				taken = append(taken, m)
			}
		}
		for old != last {
			s := rnd.IntN(senders)
			switch {
			case rnd.IntN(2) == 0 && old[s] < last[s]:
				come(message(s, old[s]), true, true)
				old[s]++
			case fresh[s] < each && rnd.IntN(3) > 0: // ahead or behind
				come(message(s, fresh[s]), true, false)
				fresh[s]++
			}
		}
		o.cut(true)
		for _, e := range o.line {
			if e.msg != nil {
				taken = append(taken, e.msg)
			}
		}
		for s := range senders {
			for ; fresh[s] < each; fresh[s]++ {
				come(message(s, fresh[s]), false, false)
			}
		}
		if len(o.sole) > senders*each {
			t.Fatalf("seed %d: %d are remembered", seed, len(o.sole))
		}
		var next [senders]int
		for _, m := range taken {
			s := 3
			if m.Reply != "" {
				s = int(m.Reply[0] - 'a')
			}
			if want := message(s, next[s]); string(want.Data) != string(m.Data) {
				t.Fatalf("seed %d: of sender %d %v was taken, want its %dth", seed, s, m.Data, next[s])
			}
			next[s]++
		}
		if next != [senders]int{each, each, each, each} {
			t.Fatalf("seed %d: taken %v, sent %d of each", seed, next, each)
		}
	}
}

// TestOverlapForgets: nothing is left of a move that has ended, or was given up.
func TestOverlapForgets(t *testing.T) {
	for _, moved := range []bool{true, false} {
		var o overlap
		o.admits(&nats.Msg{Reply: "a"}, true, true)
		o.admits(&nats.Msg{Reply: "b"}, true, false)
		o.cut(moved)
		if left := len(o.line); moved != (left == 1) {
			t.Errorf("moved %v: %d messages wait", moved, left)
		}
		if moved {
			o.forget()
		}
		if o.sole != nil || o.early != nil || !o.admits(&nats.Msg{Reply: "a"}, false, false) {
			t.Errorf("moved %v: %v is remembered", moved, o)
		}
	}
}
