package chaos

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
)

// inherited checks that the process of a node has taken over from the one before, which was
// killed, and that no other node has declared that one dead.
func (w *world) inherited(i int) {
	w.t.Helper()
	nc, err := nats.Connect(w.url())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	kv, err := js.KeyValue(w.t.Context(), strings.TrimPrefix(members, "KV_"))
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := kv.Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	dead := 0
	for _, key := range keys {
		ref, ok := record.ParseMemberKey(key)
		if !ok || ref.Name != w.nodes[i].name {
			continue
		}
		e, err := kv.Get(w.t.Context(), key)
		if err != nil {
			w.t.Fatal(err)
		}
		if m, err := record.Decode[record.Member](e.Value()); err == nil && m.State == record.Dead {
			dead++
			if m.By.Name != ref.Name && runtime.GOOS == "linux" {
				w.t.Errorf("%v was declared dead by %v, and not by the next process of its name", ref, m.By)
			}
		}
	}
	if dead != 1 {
		w.t.Errorf("%d processes of %s are dead, want 1", dead, w.nodes[i].name)
	}
}

// comesAgain returns when a node serves some of the shards.
func (w *world) comesAgain(i int) {
	w.t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: w.client, NumShards: shards})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for shard := uint32(0); ctx.Err() == nil; shard = (shard + 1) % shards {
		if info, err := client.Shard(shard).GetNodeInfo(ctx); err == nil && info.NodeID == w.nodes[i].name {
			return
		}
	}
	w.t.Errorf("%s serves no shard a minute later", w.nodes[i].name)
}
