package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// foreignTry is a message with an ID as no client of the library sends it.
type foreignTry struct {
	what    string
	id      string
	age     uint64 // in milliseconds
	message string
	data    string
	cents   int    // the balance that it is told
	code    string // of the error, in place of a balance
}

// foreignTries are sent in this order to one key, which remembers an ID for ten minutes.
func foreignTries() []foreignTry {
	const minute = 60_000
	longest := strings.Repeat("\u00fc", bounds.MaxIDBytes/2)
	five, six := `{"Cents":5}`, `{"Cents":6}`
	return []foreignTry{
		{"an empty ID is none", "", 0, "take", five, 5, ""},
		{"and runs again", "", 0, "take", five, 10, ""},
		{"of any age", "", 1000 * minute, "take", five, 15, ""},
		{"the longest ID", longest, 0, "take", five, 20, ""},
		{"the same again", longest, 0, "take", five, 20, ""},
		{"an ID that is too long", longest + "i", 0, "take", five, 0, "bad_envelope"},
		{"a huge ID", strings.Repeat("i", 500_000), 0, "take", five, 0, "bad_envelope"},
		{"an ID that is not UTF-8", "a\xff", 0, "take", five, 0, "bad_envelope"},
		{"half a letter", longest[:len(longest)-1], 0, "take", five, 0, "bad_envelope"},
		{"an ID of zeros", "\x00", 0, "take", five, 25, ""},
		{"an ID of two zeros is another", "\x00\x00", 0, "take", five, 30, ""},
		{"an ID that looks like the wire's", "a\r\nMSG x 1 0\r\n\r\n", 0, "take", five, 35, ""},
		{"an ID with other data", "\x00", 0, "take", six, 0, "id_reused"},
		{"an ID with another type", "\x00", 0, "query", five, 0, "id_reused"},
		{"an ID with data that mean the same", "\x00", 0, "take", five + " ", 0, "id_reused"},
		{"an ID with data that are none", "\x00", 0, "take", "{", 0, "id_reused"},
		{"a command that does not decode", "bad", 0, "take", "{", 0, "bad_payload"},
		{"which has kept nothing", "bad", 0, "take", five, 40, ""},
		{"a first try as old as the memory", "old", 10*minute - 1000, "take", five, 45, ""},
		{"a try that is older, of a command that is known", "old", 11 * minute, "take", five, 45, ""},
		{"an old try of one that is not known", "older", 10*minute + 1000, "take", five, 0, "expired"},
		{"centuries old", "older", math.MaxInt64, "take", five, 0, "expired"},
		{"as old as a number can be", "older", math.MaxUint64, "take", five, 0, "expired"},
		{"and then young", "older", 0, "take", five, 50, ""},
	}
}

// want fails the test unless a try has ended as it should.
func (f foreignTry) want(t *testing.T, reply []byte, code string, o cluster.Outcome) {
	t.Helper()
	var got amount
	if err := json.Unmarshal(reply, &got); f.code == "" && (err != nil || code != "" || got.Cents != f.cents) {
		t.Errorf("%s: %q, %q; want %d", f.what, reply, code, f.cents)
	}
	if f.code != "" && (code != f.code || !o.NeverRan()) {
		t.Errorf("%s: %q, %q (%v); want %q", f.what, reply, code, o, f.code)
	}
}

// TestForeignIDs: a client that is not the library's sends IDs and ages as it likes, over a socket and in
// this process. It hurts its own call only: each command has taken effect once.
func TestForeignIDs(t *testing.T) {
	const shards = 16
	def := actor.Define("till", func(string) *cashbox { return &cashbox{} }, actor.Durable(actor.Persistence{}),
		actor.OnRequest((*cashbox).take), actor.OnNotify((*cashbox).tip))
	opts := cluster.NodeOptions{NodeID: "n", NumShards: shards, Seed: "prod", Shards: cluster.ShardsForNode("n", []string{"n"}, shards, "prod"),
		Kinds: map[string]cluster.ServerHandlerFunc{"till": cluster.NewActorHandler(def.New)}}
	final := func(t *testing.T, tr cluster.ClientTransport) {
		t.Helper()
		tries := foreignTries()
		c := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: shards, Seed: "prod"})
		got, err := cluster.NewRequest[take, amount](c.Kind("till").Key("k")).Request(within(t), take{0})
		if want := tries[len(tries)-1].cents; err != nil || got.Cents != want {
			t.Errorf("in the end: %+v, %v; want %d", got, err, want)
		}
	}
	t.Run("nats", func(t *testing.T) {
		server := testkit.StartNATS(t)
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		o := opts
		o.Transport, o.State = tr, memstate.New()
		startNode(t, o)
		h := shakeHands(t, server)
		for _, f := range foreignTries() {
			reply, fault, status := h.request("till", "k", f.message, f.data, shards, handLayout("prod", shards), func(env *fields) {
				env.bytes(15, []byte("what the last of two replaces"))
				env.bytes(15, []byte(f.id))
				env.number(16, f.age)
			})
			if status != "" {
				t.Fatalf("%s: %q", f.what, status)
			}
			f.want(t, []byte(reply.texts[2]), fault.texts[1], cluster.Outcome(fault.numbers[2]))
		}
		final(t, tr)
	})
	t.Run("memory", func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
		t.Cleanup(func() { _ = tr.Close() })
		o := opts
		o.Transport, o.State = tr, memstate.New()
		startNode(t, o)
		for _, f := range foreignTries() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			reply, err := tr.Request(ctx, cluster.Envelope{Shard: int(handShard("k", "prod", shards)), Type: f.message, Data: []byte(f.data), Key: "k", Kind: "till",
				NumShards: shards, ID: f.id, AgeMs: int64(min(f.age, math.MaxInt64))})
			cancel()
			code := ""
			if e, ok := errors.AsType[*cluster.Error](err); ok {
				code = e.Code
			} else if err != nil {
				t.Fatalf("%s: %v", f.what, err)
			}
			f.want(t, reply, code, cluster.OutcomeOf(err))
		}
		final(t, tr)
	})
}
