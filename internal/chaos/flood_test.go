package chaos

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// flood sends nodes as much as nats.go can, for a while, by repeating messages of a client: what a node sends to
// itself is late then.
func (w *world) flood() {
	w.t.Helper()
	nc, err := nats.Connect(w.url(), nats.MaxReconnects(-1))
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	messages := w.noise(nc)
	ctx, over := context.WithCancel(w.t.Context())
	sent := 0
	var flooding sync.WaitGroup
	flooding.Go(func() { // ends with ctx
		for ; ctx.Err() == nil; sent++ {
			m := messages[sent%len(messages)]
			_ = nc.Publish(m.Subject, m.Data)
		}
	})
	w.during(func(bool) {})
	over()
	flooding.Wait()
	w.t.Logf("a flood of %d messages", sent)
}

// noise returns messages of notifications to each node, as they are on the wire.
func (w *world) noise(nc *nats.Conn) (messages []*nats.Msg) {
	w.t.Helper()
	sub, err := nc.SubscribeSync("clstr.n.>")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		w.t.Fatal(err)
	}
	tr, err := natstransport.Open(w.t.Context(), natstransport.Options{URL: w.url(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer tr.Close()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		w.t.Fatal(err)
	}
	nodes := map[string]bool{}
	for i := 0; len(nodes) < len(w.nodes); i++ {
		if err := client.Kind("noise").Key(fmt.Sprint(i)).NotifyRaw(w.t.Context(), "Noise", make([]byte, 4<<10)); err != nil {
			w.t.Fatal(err)
		}
		for m, err := sub.NextMsg(time.Minute); ; m, err = sub.NextMsg(time.Minute) { // those of the callers too
			if err != nil {
				w.t.Fatal(err)
			}
			if bytes.Contains(m.Data, []byte("Noise")) {
				nodes[m.Subject] = true
				messages = append(messages, m)
				break
			}
		}
	}
	return messages
}
