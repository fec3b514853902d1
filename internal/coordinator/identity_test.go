package coordinator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

func foundedAs(t *testing.T, s membership.Store) record.Config {
	t.Helper()
	e, err := s.Read(context.Background(), record.ConfigKey)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := record.Decode[record.Config](e.Value)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestIdentity: the nodes of a cluster agree on one identity, which is drawn once. A cluster that
// was founded before clusters had one is given one.
func TestIdentity(t *testing.T) {
	for name, old := range map[string]bool{"new": false, "old": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				had := record.NewConfig(sharding.Layout{NumShards: shards})
				had.Base = 17
				if old {
					if _, err := cl.store.Write(context.Background(), record.ConfigKey, 0, record.Encode(had)); err != nil {
						t.Fatal(err)
					}
				}
				a, b := cl.start("a"), cl.start("b")
				time.Sleep(10 * time.Second)
				c := cl.start("c")
				time.Sleep(10 * time.Second)
				cfg := foundedAs(t, cl.store)
				if cfg.Cluster == "" || old && cfg.Base != had.Base {
					t.Errorf("the configuration is %+v", cfg)
				}
				for _, m := range []*member{a, b, c} {
					if got := m.c.Cluster(); got != cfg.Cluster {
						t.Errorf("%s is of cluster %q, and the configuration says %q", m.name, got, cfg.Cluster)
					}
				}
				end(a, b, c)
				d := cl.start("d")
				time.Sleep(time.Minute)
				if got := d.c.Cluster(); got != cfg.Cluster {
					t.Errorf("the cluster was %q, and is %q after all nodes were away", cfg.Cluster, got)
				}
				end(d)
			})
		})
	}
}

// TestNoIdentity of a cluster whose records end with the process.
func TestNoIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		m := cl.member("a")
		m.store = memstore.New()
		cl.run(m, m, 0)
		time.Sleep(10 * time.Second)
		if cfg := foundedAs(t, m.store); cfg.Cluster != "" || m.c.Cluster() != "" {
			t.Errorf("the configuration is %+v, and the node's cluster %q", cfg, m.c.Cluster())
		}
		end(m)
	})
}

// TestIdentityOutlivesTheStore: nodes that found the cluster anew, because its store is gone, keep
// its identity, under which its state is stored.
func TestIdentityOutlivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		cl.lost = &losable{store: memstore.New(), born: time.Now(), made: 1}
		a, b := cl.start("a"), cl.start("b")
		time.Sleep(30 * time.Second)
		before := a.c.Cluster()
		cl.lost.lose()
		time.Sleep(2 * time.Minute)
		if cl.lost.times() != 2 {
			t.Fatalf("the store was made %d times", cl.lost.times())
		}
		if cfg := foundedAs(t, cl.lost); before == "" || cfg.Cluster != before || b.c.Cluster() != before {
			t.Errorf("the cluster was %q, and the configuration is %+v", before, cfg)
		}
		end(a, b)
	})
}

// keeping is a node whose state belongs to another cluster.
type keeping struct {
	*member
	asked *[]string
}

func (k keeping) Admits(_ context.Context, cluster string, _ sharding.Layout) error {
	*k.asked = append(*k.asked, cluster)
	k.stop()
	return errors.New("the state belongs to another cluster")
}

// TestFoundersHaveTheState: a node that finds no configuration although others own shards does not
// found the cluster under another identity than that of its state. It leaves that to the other nodes,
// because they remember it.
func TestFoundersHaveTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for others, asks := range map[bool]int{true: 1, false: 0} {
			cl := newCluster(t)
			cl.othersOwn = others
			var asked []string
			m := cl.member("a")
			cl.run(m, keeping{m, &asked}, 0)
			time.Sleep(time.Minute)
			end(m)
			e, err := cl.store.Read(t.Context(), record.ConfigKey)
			if err != nil || (e.Rev == 0) != others || len(asked) != asks || others && asked[0] == "" {
				t.Errorf("others own shards: %v; the configuration is %s, and it was asked for %q", others, e.Value, asked)
			}
		}
	})
}
