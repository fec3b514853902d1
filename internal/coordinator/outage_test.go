package coordinator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutageOfAll: when the one server that carries requests and records is away, nodes neither hear nor reach
// their store. They keep their shards and go on with them, whichever comes back first.
func TestOutageOfAll(t *testing.T) {
	for _, length := range []time.Duration{11 * time.Second, 20 * time.Second, 10 * time.Minute} {
		for _, later := range []time.Duration{-3 * time.Second, 0, 3 * time.Second} { // requests come back so long after the store
			t.Run(fmt.Sprint(length, later), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cl := newCluster(t)
					a, b := &ear{member: cl.member("a")}, &ear{member: cl.member("b")}
					cl.run(a.member, a, 0)
					cl.run(b.member, b, 0)
					time.Sleep(20 * time.Second)
					cl.wantOwners("a", "b")
					opened, settled, first := cl.opened.Load(), cl.settled.Load(), cl.incarnations()
					set := func(away bool, nodes ...*ear) {
						for _, e := range nodes {
							e.deaf.Store(away)
							e.lost.Store(away)
						}
					}
					set(true, a, b)
					a.cut.Store(true)
					b.cut.Store(true)
					time.Sleep(length + min(0, later))
					if later < 0 {
						set(false, a, b)
						time.Sleep(-later)
					}
					a.cut.Store(false)
					b.cut.Store(false)
					time.Sleep(max(0, later))
					set(false, b)
					time.Sleep(5 * time.Second) // one node may be slower to connect
					set(false, a)
					time.Sleep(2 * time.Second)
					cl.wantOwners("a", "b")
					if n := cl.opened.Load() - opened; n != 0 {
						t.Errorf("%d shards have moved", n)
					}
					if n := cl.settled.Load() - settled; n != 0 {
						t.Errorf("%d nodes have joined again", n)
					}
					if now := cl.incarnations(); now != first {
						t.Errorf("the members were %s and are %s", first, now)
					}
					end(a.member, b.member)
				})
			})
		}
	}
}

// incarnations are the names and incarnations of the members whose records are there.
func (cl *cluster) incarnations() string {
	entries, _, err := cl.store.Snapshot(cl.t.Context(), "n.")
	if err != nil {
		cl.t.Fatal(err)
	}
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return fmt.Sprint(keys)
}
