package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestDrainIsLogged: a node says at once that it drains, and then every five seconds what it waits for.
func TestDrainIsLogged(t *testing.T) {
	shard := cluster.ShardFromString("alice", livingShards, "")
	const request = 12 * time.Second
	turn := fmt.Sprintf(`waits_for="shard %d, key \"alice\" (a message)"`, shard)
	for what, c := range map[string]struct {
		handler     cluster.ServerHandlerFunc
		fixed, live string // what follows on "node still drains"
	}{
		"nothing": {handler: entity("a")},
		"a handler": {
			handler: entity("a", actor.OnRequest(func(*struct{}, *actor.Context, add) (done, error) { time.Sleep(request); return done{}, nil })),
			fixed:   "for=5s calls=1 " + turn, live: "for=5s shards=32 calls=1 " + turn,
		},
		"a func": {
			handler: func(context.Context, cluster.Envelope) ([]byte, error) { time.Sleep(request); return []byte("{}"), nil },
			fixed:   "for=5s calls=1 waits_for=calls", live: "for=5s shards=32 calls=1 waits_for=calls",
		},
		"a stop hook": {
			handler: entity("a", actor.OnPassivate(func(*struct{}, *actor.Context) error { time.Sleep(request); return nil }),
				actor.OnRequest(func(*struct{}, *actor.Context, add) (done, error) { return done{}, nil })),
			fixed: fmt.Sprintf(`for=5s calls=0 waits_for="shard %d, key \"alice\" (passivation for 5.25s)"`, shard),
			live:  fmt.Sprintf(`for=5s shards=32 calls=0 waits_for="shard %d, key \"alice\" (passivation for 5.25s)"`, shard),
		},
	} {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprint(what, " live=", live), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log logBuffer
					tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
					defer func() { _ = tr.Close() }()
					opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: livingShards, Handler: c.handler, Log: slog.New(slog.NewTextHandler(&log, nil))}
					want := c.fixed
					if live {
						opts.Membership, opts.DrainTimeout, want = memstore.New(), 25*time.Second, c.live
					} else {
						opts.Shards = cluster.ShardsForNode("a", []string{"a"}, livingShards, "")
					}
					stop, err := cluster.NewNode(opts).Start(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: livingShards})
					if err != nil {
						t.Fatal(err)
					}
					answer := make(chan error, 1)
					go func() { // ends with its request
						_, err := cluster.NewRequest[add, done](client.Key("alice")).Request(context.Background(), add{})
						answer <- err
					}()
					synctest.Wait()
					if err := stop(); err != nil {
						t.Error(err)
					}
					if err := <-answer; err != nil && what != "nothing" {
						t.Error(err)
					}
					said := drainLines(log.String())
					if len(said) < 2 || said[0] != fmt.Sprint(`"node drains" shards=`, livingShards) || said[len(said)-1] != `"node has ended"` {
						t.Fatalf("it says\n%s", strings.Join(said, "\n"))
					}
					still := said[1 : len(said)-1]
					if want == "" {
						if len(still) > 0 {
							t.Errorf("it has nothing to wait for, and says %q", still)
						}
						return
					}
					if len(still) != 2 || still[0] != `"node still drains" `+want || !strings.HasPrefix(still[1], `"node still drains" for=10s `) {
						t.Errorf("it says\n%s\nwant %s\nand once more 5 s later", strings.Join(still, "\n"), want)
					}
				})
			})
		}
	}
}

// TestDrainWithoutAStore: a node that cannot hand its shards over says that it waits for the store of members, how many
// shards it has left, and in its health that it drains.
func TestDrainWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		var log logBuffer
		store := &failingStore{Store: lc.store}
		a := lc.startOn(cluster.NodeOptions{NodeID: "a", Handler: entity("a"), Membership: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
		<-a.Ready()
		store.fail(errors.New("nobody answers"))
		a.stop()
		time.Sleep(5500 * time.Millisecond)
		if h := a.Health(); h.Why != cluster.NodeDraining {
			t.Errorf("the node is %q", h.Why)
		}
		if err := <-a.ended; err == nil {
			t.Error("a node has handed over without a store")
		}
		said := drainLines(log.String())
		if want := fmt.Sprintf(`"node still drains" for=5s shards=%d calls=0 waits_for="the store of members"`, livingShards); !slices.Contains(said, want) {
			t.Errorf("it says\n%s\nwant %s", strings.Join(said, "\n"), want)
		}
	})
}

// drainLines are the lines of a log about a node's end, without what a handler of slog adds.
func drainLines(log string) (said []string) {
	for line := range strings.Lines(log) {
		_, line, _ = strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), " node=a", ""), "level=INFO msg=")
		if regexp.MustCompile(`^"node (drains|still drains|has ended)"`).MatchString(line) {
			said = append(said, line)
		}
	}
	return said
}
