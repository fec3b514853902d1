package cluster_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

type Add struct{ Amount int64 }

func (b *byHand) Add(_ *actor.Context, m Add) error { b.sum += m.Amount; return nil }

// handBank starts a node of accounts that have a few methods only, and a client by hand.
func handBank(t *testing.T, shards uint32, served []uint32) *hand {
	server := testkit.StartNATS(t)
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	def := actor.Define("account", func(string) *byHand { return new(byHand) }, actor.OnNotify((*byHand).Add), actor.OnRequest((*byHand).Deposit))
	startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: shards, Seed: "prod", Shards: served,
		Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(def.New)}})
	return shakeHands(t, server)
}

// TestOrderByHand: a notification that names another in `after` is accepted only behind that.
func TestOrderByHand(t *testing.T) {
	const shards = 4
	h := handBank(t, shards, []uint32{0, 1, 2, 3})
	layout := handLayout("prod", shards)
	put := func(key string, amount int, number, after uint64) (code string, outcome uint64) {
		t.Helper()
		_, fault, status := h.request("account", key, "Add", fmt.Sprintf(`{"Amount":%d}`, amount), shards, layout, func(env *fields) {
			env.number(9, 1)
			env.number(18, number)
			env.number(19, after)
		})
		if status != "" {
			t.Fatalf("the server says %q", status)
		}
		return fault.texts[1], fault.numbers[2]
	}
	for _, c := range []struct {
		what          string
		key           string
		number, after uint64
		code          string
	}{
		{"the first", "acc-1", 10, 0, ""},
		{"behind it", "acc-1", 11, 10, ""},
		{"behind one that never came", "acc-1", 13, 12, "out_of_order"},
		{"behind the refused one", "acc-1", 14, 13, "out_of_order"},
		{"behind itself", "acc-1", 15, 15, "out_of_order"},
		{"behind one that is to come", "acc-1", 16, 17, "out_of_order"},
		{"behind the last that there can be", "acc-1", 18, 1<<64 - 1, "out_of_order"},
		{"sent again", "acc-1", 19, 11, ""},
		{"behind one to another key", "acc-2", 20, 19, ""},
		{"behind an old one", "acc-1", 21, 10, ""},
		{"without a number", "acc-1", 0, 21, ""},
		{"far above all others", "acc-1", 1 << 60, 21, ""},
		{"behind one that is forgotten by then", "acc-1", 1<<60 + 1, 21, "out_of_order"},
		{"behind the one far above", "acc-1", 1<<60 + 2, 1 << 60, ""},
	} {
		outcome := uint64(0)
		if c.code != "" {
			outcome = 2
		}
		if code, o := put(c.key, 1, c.number, c.after); code != c.code || o != outcome {
			t.Errorf("%s: %q, %d; want %q", c.what, code, o, c.code)
		}
	}
	reply, fault, _ := h.request("account", "acc-1", "Deposit", `{"Amount":100}`, shards, layout)
	var got map[string]int64
	if err := json.Unmarshal([]byte(reply.texts[2]), &got); err != nil || got["sum"] != 107 {
		t.Errorf("the account has %v, want 107: %+v", got, fault)
	}
}
