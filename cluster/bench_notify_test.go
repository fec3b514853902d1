package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/cluster"
)

// BenchmarkNotify is notifications without an ack until all are handled, in
// windows: to 10,000 active keys from one caller and from 64, and to one key.
func BenchmarkNotify(b *testing.B) {
	for _, c := range []struct {
		name                  string
		keys, callers, window int
	}{
		{"keys=10000/callers=1", benchKeys, 1, 8192},
		{"keys=10000/callers=64", benchKeys, benchCallers, 8192},
		{"keys=1/callers=1", 1, 1, 512},
	} {
		keys := keyNames(c.keys)
		b.Run(c.name+"/bare", func(b *testing.B) {
			as := bareSystem()
			w := windows{size: c.window}
			pids := make([]*pactor.PID, len(keys))
			for i := range pids {
				pids[i] = as.Root.Spawn(pactor.PropsFromFunc(func(ctx pactor.Context) {
					if _, ok := ctx.Message().([]byte); ok {
						w.handled()
					}
				}))
			}
			w.run(b, c.callers, func(i int) { as.Root.Send(pids[i%len(pids)], payload) })
		})
		b.Run(c.name+"/clstr", func(b *testing.B) {
			w := windows{size: c.window}
			client := benchCluster(b, cluster.NewKeyHandlerWithOpts(func(string) (cluster.ServerHandlerFunc, error) {
				return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
					if env.Type == "Note" {
						w.handled()
					}
					return nil, nil
				}, nil
			}, -1))
			ctx := context.Background()
			users := activate(b, client, keys)
			noAck := cluster.WithoutAck()
			w.run(b, c.callers, func(i int) {
				if err := users[i%len(users)].NotifyRaw(ctx, "Note", payload, noAck); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// windows sends notifications in windows.
type windows struct {
	size int // how many are on their way at most: those of one key fit its mailbox
	left atomic.Int64
	all  chan struct{}
}

func (w *windows) handled() {
	if w.left.Add(-1) == 0 {
		w.all <- struct{}{}
	}
}

func (w *windows) run(b *testing.B, callers int, send func(i int)) {
	w.all = make(chan struct{}, 1)
	turns := make([]chan int, callers) // first of a window's share
	var ended sync.WaitGroup
	for c := range turns {
		turns[c] = make(chan int, 1)
		ended.Go(func() {
			for first := range turns[c] {
				for i := range w.size / callers {
					send(first + i)
				}
			}
		})
	}
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		w.left.Store(int64(w.size))
		for c := range turns {
			turns[c] <- sent
			sent += w.size / callers
		}
		<-w.all
	}
	for c := range turns {
		close(turns[c])
	}
	ended.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(w.size), "ns/msg")
}
