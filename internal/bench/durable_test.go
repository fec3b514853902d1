package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

// note is a durable entity of some 256 bytes.
type note struct {
	Text string
	N    int64
}

type (
	notePut  struct{}
	noteLook struct{}
	noteWait struct{} // its turn waits for its commit
)

var noteKind = actor.Define("note", func(string) *note { return &note{Text: strings.Repeat("x", 230)} },
	actor.Durable(actor.Persistence{}),
	actor.OnRequest(func(e *note, _ *actor.Context, _ notePut) (int64, error) { e.N++; return e.N, nil }),
	actor.OnRequest(func(e *note, _ *actor.Context, _ noteLook) (int64, error) { return e.N, nil }),
	actor.OnRequest(func(e *note, c *actor.Context, _ noteWait) (int64, error) { e.N++; return e.N, c.Save() }))

// durable is a client of durable entities, with their node in its process, and nats.go beside it.
// The servers are a process of their own.
type durable struct {
	client *cluster.KindClient
	nc     *nats.Conn
	fences [shards]string
}

func newDurable(b *testing.B, role string, most int) *durable {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	url := start(b, role, "")
	open := func(prefix string) *natsstate.Store {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		s, err := natsstate.Open(ctx, natsstate.Options{URL: url, Prefix: prefix, Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	}
	d := &durable{}
	raw := open("raw")
	for shard := range uint32(shards) {
		token, err := raw.Open(b.Context(), shard, state.Owner{}, state.Token{})
		if err != nil {
			b.Fatal(err)
		}
		d.fences[shard] = strconv.FormatUint(uint64(token.Rev), 10)
	}
	var err error
	if d.nc, err = nats.Connect(url); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.nc.Close)
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxPending: -1})
	b.Cleanup(func() { _ = tr.Close() })
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "node", Transport: tr, NumShards: shards, Shards: cluster.ShardsForNode("node", []string{"node"}, shards, ""),
		State: open("clstr"), Log: quiet,
		Kinds: map[string]cluster.ServerHandlerFunc{
			"note": cluster.NewActorHandlerWithOpts(noteKind.New, cluster.HandlerOptions{CacheSize: most}),
		},
	})
	stop, err := node.Start(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stop() })
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		b.Fatal(err)
	}
	d.client = client.Kind("note")
	for k := range keys {
		if err := errors.Join(d.ask(k, "notePut"), d.publish(k)); err != nil {
			b.Fatal(err)
		}
	}
	return d
}

func (d *durable) ask(key int, typ string) error {
	_, err := d.client.Key(strconv.Itoa(key)).RequestRaw(context.Background(), typ, []byte("{}"))
	return err
}

var body = []byte(strings.Repeat("x", 256))

// publish is what a change is without clstr: the same fence, the same rollup.
func (d *durable) publish(key int) error {
	shard := key % shards
	m := nats.NewMsg(fmt.Sprintf("raw.d.k.%d.note.%d", shard, key))
	m.Data = body
	m.Header["Nats-Rollup"] = []string{"sub"}
	m.Header["Nats-Expected-Last-Subject-Sequence"] = []string{d.fences[shard]}
	m.Header["Nats-Expected-Last-Subject-Sequence-Subject"] = []string{"raw.d.f." + strconv.Itoa(shard)}
	for {
		answer, err := d.nc.RequestMsg(m, time.Minute)
		switch {
		case err != nil:
			return err
		case !strings.Contains(string(answer.Data), "error"):
			return nil
		case !strings.Contains(string(answer.Data), "10164"): // else a write with the same fence is under way
			return errors.New(string(answer.Data))
		}
	}
}

func (d *durable) get(key int) error {
	m, err := d.nc.Request(fmt.Sprintf("$JS.API.DIRECT.GET.raw_state.raw.d.k.%d.note.%d", key%shards, key), nil, time.Minute)
	if err == nil && len(m.Data) != len(body) {
		err = fmt.Errorf("%v", m.Header)
	}
	return err
}

func onServers(b *testing.B, most int, f func(*testing.B, *durable)) {
	b.Run("R1", func(b *testing.B) { f(b, newDurable(b, "one", most)) })
	b.Run("R3", func(b *testing.B) { f(b, newDurable(b, "three", most)) })
}

// BenchmarkDurableNATS is requests that change a durable entity, until their replies, beside bare
// publications with the same fence and rollup.
func BenchmarkDurableNATS(b *testing.B) {
	onServers(b, -1, func(b *testing.B, d *durable) {
		for _, callers := range []int{1, 64} {
			name := fmt.Sprintf("callers=%d", callers)
			b.Run(name+"/raw", func(b *testing.B) {
				spread(b, callers, func(i int) error { return d.publish(i % keys) })
			})
			b.Run(name+"/clstr", func(b *testing.B) {
				spread(b, callers, func(i int) error { return d.ask(i%keys, "notePut") })
			})
		}
	})
}

// BenchmarkDurableNATSKey is 64 callers of one key: turns that wait for their commit, and those that
// do not.
func BenchmarkDurableNATSKey(b *testing.B) {
	onServers(b, -1, func(b *testing.B, d *durable) {
		b.Run("waits", func(b *testing.B) { spread(b, 64, func(int) error { return d.ask(0, "noteWait") }) })
		b.Run("clstr", func(b *testing.B) { spread(b, 64, func(int) error { return d.ask(0, "notePut") }) })
	})
}

// BenchmarkDurableNATSLoad is requests that each activate a key, with its state, because the one
// before has evicted it; beside a bare direct get.
func BenchmarkDurableNATSLoad(b *testing.B) {
	onServers(b, 1, func(b *testing.B, d *durable) {
		b.Run("raw", func(b *testing.B) { spread(b, 1, func(i int) error { return d.get(i % keys) }) })
		b.Run("clstr", func(b *testing.B) { spread(b, 1, func(i int) error { return d.ask(i%keys, "noteLook") }) })
	})
}
