package bench

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// keys is how many keys the requests go to.
const keys = 1000

type setup struct {
	nc     *nats.Conn
	client *cluster.Client
}

// newSetup starts a server, a node and a client.
func newSetup(b *testing.B) setup {
	b.Helper()
	return setUp(b, start(b, "server", ""), "bench", "node")
}

// setUp starts nodes that share the shards, and a client of them. The keys are active then.
func setUp(b *testing.B, url, prefix string, nodes ...string) setup {
	b.Helper()
	for _, name := range nodes {
		start(b, "node", url, nameEnv+"="+name, listEnv+"="+strings.Join(nodes, ","), onEnv+"="+prefix)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, Prefix: prefix, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = tr.Close() })
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		b.Fatal(err)
	}
	for k := range keys {
		if _, err := client.RequestKey(context.Background(), "key-"+strconv.Itoa(k), "Echo", nil); err != nil {
			b.Fatal(err)
		}
	}
	return setup{nc, client}
}

// BenchmarkNATSRequest is requests to 1,000 active keys, beside request and
// reply of nats.go. Server, node and client are three processes.
func BenchmarkNATSRequest(b *testing.B) {
	s := newSetup(b)
	scoped := make([]string, keys)
	for k := range scoped {
		scoped[k] = "key-" + strconv.Itoa(k)
	}
	ctx := context.Background()
	users := s.users(b)
	for _, size := range []int{64, 1024} {
		payload, words := make([]byte, size), strings.Repeat("a", size)
		for _, callers := range []int{1, 64, 256} {
			name := fmt.Sprintf("%dB/callers=%d", size, callers)
			b.Run(name+"/raw", func(b *testing.B) {
				spread(b, callers, func(int) error {
					_, err := s.nc.Request(rawEcho, payload, time.Minute)
					return err
				})
			})
			b.Run(name+"/clstr", func(b *testing.B) {
				spread(b, callers, func(i int) error {
					_, err := s.client.RequestKey(ctx, scoped[i%keys], "Echo", payload)
					return err
				})
			})
			b.Run(name+"/clstr-json", func(b *testing.B) {
				spread(b, callers, func(i int) error { return askJSON(users[i%keys], words) })
			})
			b.Run(name+"/clstr-cbor", func(b *testing.B) {
				spread(b, callers, func(i int) error { return askCBOR(users[i%keys], words) })
			})
			b.Run(name+"/clstr-proto", func(b *testing.B) {
				spread(b, callers, func(i int) error { return askProto(users[i%keys], words) })
			})
		}
	}
}

// spread calls f b.N times from so many goroutines, and reports the 99th
// percentile of what each call took.
func spread(b *testing.B, callers int, f func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	took := make([][]time.Duration, callers)
	cpu := processorTime()
	b.ResetTimer()
	for c := range callers {
		wg.Go(func() {
			for i := c * 7919; int(next.Add(1)) <= b.N; i++ {
				began := time.Now()
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	reportProcessor(b, cpu, b.N)
	all := slices.Concat(took...)
	slices.Sort(all)
	if n := len(all); n > 0 {
		b.ReportMetric(float64(all[n*99/100].Nanoseconds()), "p99-ns")
	}
}

// BenchmarkNATSNotify is notifications without an ack until they were handled, two windows of 4,096
// on their way, beside a plain publish.
func BenchmarkNATSNotify(b *testing.B) {
	s := newSetup(b)
	signs := make(chan *nats.Msg, 64)
	sub, err := s.nc.ChanSubscribe(done, signs)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.nc.Flush(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sub.Unsubscribe() })
	names := make([]string, keys)
	for k := range names {
		names[k] = "key-" + strconv.Itoa(k)
	}
	users := s.users(b)
	ctx, noAck := context.Background(), cluster.WithoutAck()
	for _, size := range []int{64, 1024} {
		payload, words := make([]byte, size), strings.Repeat("a", size)
		for _, c := range []struct {
			name string
			send func(i int) error
		}{
			{"raw", func(int) error { return s.nc.Publish(rawNote, payload) }}, // copies the payload, as clstr does
			{"clstr", func(i int) error { return s.client.NotifyKey(ctx, names[i%keys], "Note", payload, noAck) }},
			{"clstr-acked", func(i int) error { return acked(s.client.Key(names[i%keys]).NotifyRawAsync(ctx, "Note", payload)) }},
			{"clstr-json", func(i int) error { return users[i%keys].Notify(ctx, textNote{words}, noAck) }},
			{"clstr-json-acked", func(i int) error { return acked(users[i%keys].NotifyAsync(ctx, textNote{words})) }},
			{"clstr-cbor", func(i int) error { return users[i%keys].Notify(ctx, cborNote{words}, noAck) }},
			{"clstr-proto", func(i int) error { return users[i%keys].Notify(ctx, &wrapperspb.BytesValue{Value: payload}, noAck) }},
			{"clstr-proto-acked", func(i int) error {
				return acked(users[i%keys].NotifyAsync(ctx, &wrapperspb.BytesValue{Value: payload}))
			}},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, c.name), func(b *testing.B) { inWindows(b, signs, c.send) })
		}
	}
}

// acked is the error of a notification that has failed already.
func acked(r *cluster.Receipt) error { return r.Err() }

// inWindows sends a window of messages and waits until the last was handled,
// with two windows on their way at a time.
func inWindows(b *testing.B, signs chan *nats.Msg, send func(i int) error) {
	sent := 0
	one := func() {
		for range window {
			if err := send(sent); err != nil {
				b.Fatal(err)
			}
			sent++
		}
	}
	one()
	cpu := processorTime()
	b.ResetTimer()
	for range b.N {
		one()
		<-signs
	}
	<-signs
	b.StopTimer()
	reportProcessor(b, cpu, (b.N+1)*window)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/window, "ns/msg")
}
