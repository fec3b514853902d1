package bench

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// keys is how many keys the requests go to.
const keys = 1000

type setup struct {
	nc     *nats.Conn
	client *cluster.Client
}

func newSetup(b *testing.B) setup {
	b.Helper()
	url := start(b, "server", "")
	start(b, "node", url)
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
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
	for _, size := range []int{64, 1024} {
		payload := make([]byte, size)
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
		}
	}
}

// spread calls f b.N times from so many goroutines, and reports the 99th
// percentile of what each call took.
func spread(b *testing.B, callers int, f func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	took := make([][]time.Duration, callers)
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
	all := slices.Concat(took...)
	slices.Sort(all)
	if n := len(all); n > 0 {
		b.ReportMetric(float64(all[n*99/100].Nanoseconds()), "p99-ns")
	}
}

// BenchmarkNATSNotify is notifications without an ack until they were handled,
// beside a plain publish.
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
	payload := make([]byte, 64)
	b.Run("raw", func(b *testing.B) {
		inWindows(b, signs, func(int) error { return s.nc.Publish(rawNote, payload) })
	})
	names := make([]string, keys)
	for k := range names {
		names[k] = "key-" + strconv.Itoa(k)
	}
	noAck := cluster.WithoutAck()
	b.Run("clstr", func(b *testing.B) {
		inWindows(b, signs, func(i int) error {
			return s.client.NotifyKey(context.Background(), names[i%keys], "Note", payload, noAck)
		})
	})
}

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
	b.ResetTimer()
	for range b.N {
		one()
		<-signs
	}
	<-signs
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/window, "ns/msg")
}
