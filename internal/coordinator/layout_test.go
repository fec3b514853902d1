package coordinator

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

func TestOtherLayoutIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		for want, layout := range map[string]sharding.Layout{
			"NumShards 16, the cluster has 32": {NumShards: 16},
			`Seed "x", the cluster has ""`:     {NumShards: shards, Seed: "x"},
		} {
			m := cl.startWith("b", layout)
			if err := <-m.ended; !errors.Is(err, outcome.ErrLayoutMismatch) || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", layout, err, want)
			}
		}
		end(a)
	})
}

// TestTwoServicesStartAtOnce under one prefix, several nodes each: those of one stay, and
// those of the other are refused before they have taken a shard.
func TestTwoServicesStartAtOnce(t *testing.T) {
	for range 20 { // the order differs
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			var all []*member
			for _, name := range []string{"a1", "b1", "a2", "b2", "a3", "b3"} {
				m := cl.member(name)
				m.kinds = []string{name[:1]}
				all = append(all, m)
			}
			for _, m := range all {
				cl.run(m, m, 0)
			}
			time.Sleep(30 * time.Second)
			stay := map[string][]*member{}
			for _, m := range all {
				select {
				case err := <-m.ended:
					if !errors.Is(err, membership.ErrForeignKinds) {
						t.Errorf("%s ended with %v", m.name, err)
					}
				default:
					stay[m.name[:1]] = append(stay[m.name[:1]], m)
				}
			}
			if len(stay["a"])+len(stay["b"]) != 3 || len(stay["a"]) != 0 && len(stay["b"]) != 0 {
				t.Errorf("%d nodes of one service stay, and %d of the other", len(stay["a"]), len(stay["b"]))
			}
			cl.mu.Lock()
			took := map[string]bool{}
			for _, m := range cl.used {
				took[m.name[:1]] = true
			}
			cl.mu.Unlock()
			if len(took) != 1 {
				t.Errorf("shards were opened by nodes of %d services", len(took))
			}
			for _, m := range append(stay["a"], stay["b"]...) {
				end(m)
			}
		})
	}
}
