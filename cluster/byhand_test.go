package cluster_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

type byHand struct{ sum int64 }

type Deposit struct{ Amount int64 }

type Credit struct{ Amount int64 }

func (b *byHand) Credit(_ *actor.Context, m Credit) error {
	b.sum += m.Amount
	return nil
}

type Sum struct {
	Sum int64 `json:"sum"`
}

func (b *byHand) Deposit(_ *actor.Context, m Deposit) (Sum, error) {
	if m.Amount <= 0 {
		return Sum{}, fmt.Errorf("cannot deposit %d", m.Amount)
	}
	b.sum += m.Amount
	return Sum{b.sum}, nil
}

func (b *byHand) Shout(_ *actor.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String(strings.ToUpper(m.Value)), nil
}

// TestWireByHand: who has read docs/wire-format.md can talk to a node.
func TestWireByHand(t *testing.T) {
	const shards = 64
	server := testkit.StartNATS(t)
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	def := actor.Define("account", func(string) *byHand { return new(byHand) },
		actor.OnRequest((*byHand).Deposit), actor.OnRequest((*byHand).Shout), actor.OnNotify((*byHand).Credit))
	var served []uint32 // all but that of nobody's key
	for i := range uint32(shards) {
		if uint64(i) != handShard("nobody", "prod", shards) {
			served = append(served, i)
		}
	}
	startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: shards, Seed: "prod", Shards: served,
		Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(def.New)}})

	h := shakeHands(t, server)
	layout := handLayout("prod", shards)
	for i, layout := range []uint64{layout, 0} { // 0 is allowed
		reply, fault, status := h.request("account", "acc-1", "Deposit", `{"Amount":5}`, shards, layout)
		want := map[string]int64{"sum": int64(5 * (i + 1))}
		var got map[string]int64
		if err := json.Unmarshal([]byte(reply.texts[2]), &got); err != nil || got["sum"] != want["sum"] || len(fault.texts) > 0 {
			t.Errorf("layout %x: %+v, %+v, %q", layout, reply, fault, status)
		}
	}
	_, fault, _ := h.request("account", "acc-1", "Deposit", `{"Amount":5}`, shards, layout+1)
	if fault.texts[1] != "layout_mismatch" || fault.numbers[2] != 2 {
		t.Errorf("another layout: %+v", fault)
	}
	_, fault, _ = h.request("account", "acc-1", "Deposit", `{"Amount":-5}`, shards, layout)
	if fault.texts[1] != "application" || fault.numbers[2] != 4 || !strings.Contains(fault.texts[3], "cannot deposit -5") {
		t.Errorf("a handler's error: %+v", fault)
	}
	accepted := h.notify("account", "acc-1", "Credit", []string{`{"Amount":7}`, `{"Amount":8}`, `{"Amount":9}`}, shards, layout)
	if fmt.Sprint(accepted) != "[0 1 2]" {
		t.Errorf("the notifications %d were accepted", accepted)
	}
	reply, fault, _ := h.request("account", "acc-1", "Deposit", `{"Amount":1}`, shards, layout)
	if !strings.Contains(reply.texts[2], `:35`) {
		t.Errorf("after the notifications: %+v, %+v", reply, fault)
	}
	var value fields
	value.bytes(1, []byte("hello"))
	reply, fault, _ = h.request("account", "acc-1", "google.protobuf.StringValue", string(value), shards, layout)
	if got := parse(t, reply.texts[2]).texts[1]; got != "HELLO" {
		t.Errorf("protobuf: %q, %+v", got, fault)
	}
	// The list of the node: shards that it skips, and shards that it serves.
	told, nobody, next := h.askOwners(0, false), handShard("nobody", "prod", shards), uint64(0)
	for i, n := range packed(told.texts[8]) {
		if next += n; i%2 == 1 && nobody >= next-n && nobody < next || next > shards {
			t.Errorf("the node serves %d: %+v", nobody, told)
		}
	}
	_, fault, status := h.requestAt(told.texts[6], 0, "account", "nobody", "Deposit", `{}`, shards, layout)
	if fault.texts[1] != "no_subscriber" || fault.numbers[2] != 2 || next == 0 {
		t.Errorf("a shard that no node serves: %+v, %q", fault, status)
	}
	if _, _, status := h.requestAt("gone", 0, "account", "nobody", "Deposit", `{}`, shards, layout); !strings.HasPrefix(status, "NATS/1.0 503") {
		t.Errorf("a node that is not there: %q", status)
	}
}

// The vectors of the document are those of the hand, and of the library.
func TestWireVectors(t *testing.T) {
	b, err := os.ReadFile("../docs/wire-format.md")
	if err != nil {
		t.Fatal(err)
	}
	cell := func(s string) string { return strings.Trim(strings.TrimSpace(s), "`") }
	rows := regexp.MustCompile("(?m)^\\|([^|\n]*)\\|([^|\n]*)\\| `([0-9a-f]{16})` \\|(?: (\\d+) \\| (\\d+) \\|)?$").FindAllStringSubmatch(string(b), -1)
	keys := 0
	for _, row := range rows {
		first, seed, hash := cell(row[1]), cell(row[2]), row[3]
		if row[4] == "" {
			n, _ := strconv.ParseUint(first, 10, 64)
			hand, library := fmt.Sprintf("%016x", handLayout(seed, n)), fmt.Sprintf("%016x", sharding.Layout{NumShards: uint32(n), Seed: seed}.Fingerprint())
			if hand != hash || library != hash {
				t.Errorf("the layout of %d shards with %q is %s by hand, %s by the library, %s by the document", n, seed, hand, library, hash)
			}
			continue
		}
		keys++
		text := first
		if seed != "" {
			text = seed + "\x00" + first
		}
		if got := fmt.Sprintf("%016x", digest([]byte(text))); got != hash {
			t.Errorf("the digest of %q with %q is %s, the document has %s", first, seed, got, hash)
		}
		for i, n := range []uint32{64, 1024} {
			hand, library := handShard(first, seed, uint64(n)), cluster.ShardFromString(first, n, seed)
			if row[4+i] != fmt.Sprint(hand) || uint64(library) != hand {
				t.Errorf("%q with %q is in shard %d of %d by hand, %d by the library, %s by the document", first, seed, hand, n, library, row[4+i])
			}
		}
	}
	if keys < 4 || len(rows) < keys+4 {
		t.Errorf("%d rows, %d of them with keys", len(rows), keys)
	}
}
