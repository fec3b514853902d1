package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// lockedLog keeps what is logged.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), what)
}

// TestRightToAskForTurns: with the rights that docs/wire-format.md lists for nodes whose
// handlers ask, chains that cross between nodes are found. A node that may not publish to
// shards says once what follows; its chains end at their deadlines.
func TestRightToAskForTurns(t *testing.T) {
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: append(subscribe, "_INBOX."+name+".>")},
		}}
	}
	serves := []string{"clstr.n.*.*", "clstr.who"}
	for _, asks := range []bool{true, false} {
		publish := []string{"_INBOX.>", "clstr.own", "clstr.who"}
		if asks {
			publish = append(publish, "clstr.n.*.*")
		}
		url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
			user("node", publish, append([]string{"clstr.own"}, serves...)), user("client", serves, []string{"clstr.own"}),
		}}).URL()
		var log lockedLog
		connect := func(name string) *natstransport.Transport {
			tr, err := natstransport.Open(t.Context(), natstransport.Options{
				URL: url, Log: slog.New(slog.NewTextHandler(&log, nil)),
				NATSOptions: []nats.Option{nats.UserInfo(name, "p"), nats.CustomInboxPrefix("_INBOX." + name)},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tr.Close() })
			return tr
		}
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: connect("client"), NumShards: 4}) // of the handlers too
		if err != nil {
			t.Fatal(err)
		}
		var meet sync.WaitGroup
		meet.Add(2)
		def := actor.Define("walker", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(*struct{}, *actor.Context, walk) (walked, error) { return walked{}, nil }),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m cross) (walked, error) {
				meet.Done()
				meet.Wait()
				_, err := cluster.NewRequest[walk, walked](client.Key(m.Other)).Request(c, walk{})
				return walked{}, err
			}))
		var stops []func() error
		first := cluster.ShardFromString("a", 4, "")
		others := slices.DeleteFunc([]uint32{0, 1, 2, 3}, func(s uint32) bool { return s == first })
		for id, shards := range map[string][]uint32{"one": {first}, "two": others} {
			node := cluster.NewNode(cluster.NodeOptions{
				Transport: connect("node"), NodeID: id, NumShards: 4, Shards: shards, Handler: cluster.NewActorHandler(def.New), Log: quiet,
			})
			stop, err := node.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stops = append(stops, stop)
		}
		patience := time.Minute
		if !asks {
			patience = 3 * time.Second // for which they wait
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		errs := make(chan error, 2)
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			go func() { // ends with its request
				_, err := cluster.NewRequest[cross, walked](client.Key(pair[0])).Request(ctx, cross{pair[1]})
				errs <- err
			}()
		}
		found, waited := 0, 0
		for range 2 {
			switch err := <-errs; {
			case errors.Is(err, cluster.ErrCircle):
				found++
			case errors.Is(err, context.DeadlineExceeded):
				waited++
			case err != nil: // nil: the other chain ended first
				t.Errorf("may ask %v: %v", asks, err)
			}
		}
		cancel()
		if !asks && waited == 0 {
			t.Error("no chain waited until its deadline")
		}
		if asks != (found > 0) {
			t.Errorf("may ask %v: %d of two chains are found to cross", asks, found)
		}
		said, denied := log.count("not permitted to ask other nodes what turns wait for"), log.count("not permitted by the server")
		if most := map[bool]int{true: 0, false: len(stops)}[asks]; said > most || most > 0 && said == 0 || denied > 2*most {
			t.Errorf("may ask %v: the log says %d times what follows, and %d times that the server does not permit it", asks, said, denied)
		}
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	}
}
