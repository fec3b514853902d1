package cluster_test

import (
	"bytes"
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
	learnStacks(b, benchCallers)
	ctx, noAck := context.Background(), []cluster.EnvelopeOption{cluster.WithoutAck()}
	for _, c := range []struct {
		name          string
		keys, callers int
	}{
		{"keys=10000/callers=1", benchKeys, 1},
		{"keys=10000/callers=64", benchKeys, benchCallers},
		{"keys=1/callers=1", 1, 1},
	} {
		keys := keyNames(c.keys)
		for _, size := range sizes {
			b.Run(c.name+"/"+sized(size), func(b *testing.B) {
				payload := make([]byte, size)
				bare(b, func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption) {
					var w windows
					pids := spawn(root, len(keys), pactor.PropsFromFunc(func(ctx pactor.Context) {
						if _, ok := ctx.Message().([]byte); ok {
							w.handled()
						}
					}, how...))
					w.run(b, c.callers, func(i int) error {
						root.Send(pids[i%len(pids)], bytes.Clone(payload)) // clstr's callers may reuse theirs, too
						return nil
					})
				})
				for _, f := range forms(size) {
					b.Run(f.name, func(b *testing.B) {
						var w windows
						users := f.activate(b, benchCluster(b, f.handle(does{note: w.handled})), keys)
						w.run(b, c.callers, func(i int) error { return f.tell(ctx, users[i%len(users)], noAck...) })
					})
				}
			})
		}
	}
}

// window is how many notifications are on their way at most.
const window = 8192

// windows sends notifications in windows.
type windows struct {
	left atomic.Int64
	all  chan struct{}
}

func (w *windows) handled() {
	if w.left.Add(-1) == 0 {
		w.all <- struct{}{}
	}
}

func (w *windows) run(b *testing.B, callers int, send func(i int) error) {
	w.all = make(chan struct{}, 1)
	turns := make([]chan int, callers) // first of a window's share
	var ended sync.WaitGroup
	for c := range turns {
		turns[c] = make(chan int, 1)
		ended.Go(func() {
			for first := range turns[c] {
				for i := range window / callers {
					if err := send(first + i); err != nil {
						b.Error(err)
						w.handled()
					}
				}
			}
		})
	}
	b.ReportAllocs()
	began := processorTime()
	sent := 0
	for b.Loop() {
		w.left.Store(window)
		for c := range turns {
			turns[c] <- sent
			sent += window / callers
		}
		<-w.all
	}
	reportProcessor(b, began, b.N*window)
	for c := range turns {
		close(turns[c])
	}
	ended.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/window, "ns/msg")
}
