package cluster_test

import (
	"fmt"
	"strconv"
	"testing"
)

// TestBatchByHand: each envelope of a packet is answered for itself, once, whatever becomes of those around it: accepted
// in a run, refused, answered, for a shard that is not served, cancelled in the same packet, or without an answer.
func TestBatchByHand(t *testing.T) {
	const shards = 8
	away := handShard("away", "prod", shards)
	key := "" // in another shard
	for i := 0; key == "" || handShard(key, "prod", shards) == away; i++ {
		key = fmt.Sprint("acc-", i)
	}
	var served []uint32
	for s := range uint32(shards) {
		if uint64(s) != away {
			served = append(served, s)
		}
	}
	h := handBank(t, shards, served)
	node, _ := h.owner(handShard(key, "prod", shards))

	sent := []struct {
		key, name     string
		delivery      uint64
		number, after uint64
		want          string // a code, or "ok", "cancelled" or "nothing"
		data          string
	}{
		{key, "Add", 1, 1, 0, "ok", ""},
		{key, "Add", 1, 2, 1, "ok", ""},
		{key, "Add", 1, 3, 2, "ok", ""},
		{"away", "Add", 1, 4, 0, "no_subscriber", ""},
		{key, "Add", 1, 5, 4, "out_of_order", ""},
		{key, "Deposit", 0, 0, 0, "ok", `{"sum":4}`},
		{key, "Add", 2, 0, 0, "nothing", ""},
		{key, "Deposit", 0, 0, 0, "cancelled", ""},
		{key, "Deposit", 0, 0, 0, "ok", `{"sum":6}`},
		{"away", "Deposit", 0, 0, 0, "no_subscriber", ""},
		{key, "Add", 1, 6, 3, "ok", ""},
		{key, "Add", 1, 7, 6, "ok", ""},
		{key, "Nothing", 0, 0, 0, "unknown_type", ""},
		{key, "Deposit", 0, 0, 0, "ok", `{"sum":9}`},
	}
	first := h.next
	h.next += uint64(len(sent))
	var packet fields
	packet.number(1, 1)
	packet.number(2, first)
	for i, s := range sent {
		env := handEnvelope("account", s.key, s.name, `{"Amount":1}`, shards)
		env.number(9, s.delivery)
		env.number(18, s.number)
		env.number(19, s.after)
		packet.bytes(3, env)
		if s.want == "cancelled" {
			packet.number(5, first+uint64(i))
		}
	}
	to := fmt.Sprintf("%s.%s-%d-1", h.inbox, strconv.FormatUint(first, 36), len(sent))
	h.publish(node, to, packet)

	got := make([]string, len(sent))
	data := make([]string, len(sent))
	for left := len(sent) - 2; left > 0; {
		headers, payload := h.message(to)
		if headers != "" {
			t.Fatalf("the server says %q", headers)
		}
		for _, text := range parse(t, payload).all[4] {
			reply := parse(t, text)
			for id := reply.numbers[1]; id <= reply.numbers[1]+reply.numbers[8]; id++ {
				i := id - first
				if i >= uint64(len(sent)) || got[i] != "" {
					t.Fatalf("a further answer to id %d: %+v", id, reply)
				}
				got[i], data[i] = "ok", reply.texts[2]
				if fault := reply.texts[3]; fault != "" {
					got[i] = parse(t, fault).texts[1]
				}
				left--
			}
		}
	}
	for i, s := range sent {
		if s.want == "nothing" || s.want == "cancelled" {
			s.want = "" // no answer
		}
		if got[i] != s.want || data[i] != s.data {
			t.Errorf("envelope %d, %s: %q with %q, want %q with %q", i, s.name, got[i], data[i], s.want, s.data)
		}
	}
	reply, fault, _ := h.request("account", key, "Deposit", `{"Amount":1}`, shards, 0) // and no answer comes before it
	if reply.texts[2] != `{"sum":10}` || len(fault.texts) > 0 {
		t.Errorf("in the end: %+v, %+v", reply, fault)
	}
}
