package host_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestNewKeysWhileTheirShardEnds: first requests of keys get one answer each while their shard ends again and again, by
// order of the host or because an actor stops its parent. No key stays.
func TestNewKeysWhileTheirShardEnds(t *testing.T) {
	for name, ends := range map[string]func(w *world){
		"the host ends it": func(w *world) {
			if err := w.EndShard(context.Background(), 0, false); err != nil {
				w.Error(err)
			}
		},
		"another node has it": func(w *world) { _ = w.EndShard(context.Background(), 0, true) },
		"an actor stops its parent": func(w *world) {
			as := w.system.Proto()
			as.Root.Stop(as.NewLocalPID("clstr-1/0"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := &counter{}
			var live atomic.Int32
			w := newWorld(t, host.Options{Observer: o, Factory: making(func(string) *entity {
				live.Add(1)
				return &entity{
					handle:    func(c *host.Context) { c.Call().Reply(nil, nil) },
					passivate: func(*host.Context) { live.Add(-1) },
				}
			})})
			var senders sync.WaitGroup
			for g := range 4 {
				senders.Go(func() {
					for i := range 50 {
						c, key := newCall(), strconv.Itoa(g)+" "+strconv.Itoa(i)
						c.msg = host.Message{Type: "go", Key: key}
						if err := w.Deliver(0, key, c); err != nil {
							if !errors.Is(err, outcome.ErrDraining) {
								t.Errorf("Deliver: %v", err)
							}
							continue
						}
						_, _ = c.wait(t)
						if c.starts > 0 {
							await(t, c.ended, "the handler's end")
						}
						c.check(t)
					}
				})
			}
			for range 10 {
				ends(w)
			}
			senders.Wait()
			w.want("last", "go", "")
			w.stop()
			o.check(t, 0)
			if n := w.Active(); n != 0 {
				t.Errorf("%d active", n)
			}
			if n := live.Load(); name != "another node has it" && n != 0 { // which runs no stop hook
				t.Errorf("%d have no stop hook behind them", n)
			}
		})
	}
}
