package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const nodes = 5

// world is a cluster of processes.
type world struct {
	t       *testing.T
	dir     string
	url     string
	server  *process
	nodes   [nodes]*process
	proxies [nodes]*proxy
	client  *natstransport.Transport
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), url: freeURL(t)}
	w.startServer()
	nc, err := nats.Connect(w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket})
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.nodes {
		w.proxies[i] = startProxy(t, w.url)
		w.startNode(i)
	}
	for _, n := range w.nodes {
		n.awaitReady()
	}
	w.client, err = natstransport.New(natstransport.Options{
		URL: w.url, Log: slog.New(slog.DiscardHandler),
		NATSOptions: []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Close() })
	return w
}

// freeURL returns an address that nobody listens at; the server comes back to it.
func freeURL(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "nats://" + l.Addr().String()
}

func (w *world) startServer() {
	w.t.Helper()
	w.server = start(w.t, "server", "nats", w.url, w.dir)
	w.server.awaitReady()
}

func (w *world) startNode(i int) {
	w.t.Helper()
	w.nodes[i] = start(w.t, "node", fmt.Sprint("node-", i), w.proxies[i].url(), w.dir)
}

// nemesis does something to a world under load. It returns when that is over and
// every shard should be served.
type nemesis struct {
	name string
	do   func(w *world)
	// planned: no request may fail.
	planned bool
	// death: the bound on a dead node's shards applies, from the moment that do
	// begins.
	death bool
}

var nemeses = []nemesis{
	{name: "SIGKILL", death: true, do: func(w *world) { w.nodes[1].kill() }},
	{name: "SIGSTOP, SIGCONT", death: true, do: func(w *world) { w.nodes[2].signal(syscall.SIGSTOP) }},
	{name: "network cut", death: true, do: func(w *world) { w.proxies[3].setCut(true) }},
	{name: "rolling restart", planned: true, do: func(w *world) {
		for i := range w.nodes {
			w.nodes[i].stop()
			w.startNode(i)
			w.nodes[i].awaitReady()
		}
	}},
	{name: "NATS restart", do: func(w *world) {
		w.server.kill()
		w.startServer()
	}},
}

// undo makes what a nemesis has done to nodes good.
func (w *world) undo(name string) {
	switch name {
	case "SIGKILL":
		w.startNode(1)
		w.nodes[1].awaitReady()
	case "SIGSTOP, SIGCONT":
		w.nodes[2].signal(syscall.SIGCONT)
	case "network cut":
		w.proxies[3].setCut(false)
	}
}

func TestChaos(t *testing.T) {
	rounds := 1
	if *long {
		rounds = 3
	}
	_, bound := timing(*long)
	var verdicts []verdict
	for round := range rounds {
		for _, n := range nemeses {
			t.Run(fmt.Sprintf("%s/%d", n.name, round), func(t *testing.T) {
				w := newWorld(t)
				l := startLoad(t, w.client)
				l.more(t, 200)
				began := time.Now()
				n.do(w)
				if n.planned {
					began = time.Now()
				}
				w.served()
				recovered := time.Since(began)
				w.undo(n.name)
				w.served()
				l.more(t, 200)
				history := l.stop()
				for _, p := range w.nodes {
					p.stop()
				}
				v := check(t, n.name, history, w.dir)
				v.recovered = recovered
				if n.death {
					v.bound = bound
				}
				v.judge(t, n)
				verdicts = append(verdicts, v)
			})
		}
	}
	t.Logf("\n%s", table(verdicts))
}

// served returns when a question to every shard was answered by its owner.
func (w *world) served() {
	w.t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: w.client, NumShards: shards})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for shard := range uint32(shards) {
		wg.Go(func() {
			for {
				try, done := context.WithTimeout(ctx, time.Second)
				_, err := client.Shard(shard).GetNodeInfo(try)
				done()
				if err == nil {
					return
				}
				if ctx.Err() != nil {
					w.t.Errorf("shard %d is not served: %v", shard, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// judge fails the test for what is promised and was not kept.
func (v *verdict) judge(t *testing.T, n nemesis) {
	t.Helper()
	for o, count := range v.failed {
		switch {
		case n.planned:
			t.Errorf("%s: %d requests failed, %v: %v", v.name, count, o, v.first[o])
		case o.NeverRan() && !errors.Is(v.first[o], cluster.ErrActivationFailed): // the counters' bucket was away
			t.Errorf("%s: %d requests were not tried until they succeeded (%v): %v", v.name, count, o, v.first[o])
		}
	}
	if v.bound > 0 && v.recovered > v.bound {
		t.Logf("%s: all shards were served again after %v, the bound is %v", v.name, v.recovered, v.bound)
	}
}

func table(verdicts []verdict) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "nemesis\trequests\tmaybe ran\tran and failed\tnever ran\tlongest wait\tserved again\tbound\tactivations")
	for _, v := range verdicts {
		bound := "-"
		if v.bound > 0 {
			bound = v.bound.String()
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%v\t%v\t%s\t%d\n", v.name, v.ok, v.failed[cluster.MaybeRan], v.failed[cluster.RanAndFailed],
			v.failed[cluster.NotSent]+v.failed[cluster.NotStarted], v.longest.Round(time.Millisecond), v.recovered.Round(time.Millisecond), bound, v.activations)
	}
	_ = w.Flush()
	return b.String()
}
