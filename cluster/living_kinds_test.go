package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

type kinds = map[string]cluster.ServerHandlerFunc

// TestDeployThatAddsAKind: calls of the new kind wait for the deploy to reach their
// shards, if some node has it, for 5 s at most; a kind that no node has fails at once.
func TestDeployThatAddsAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		old := lc.startWith(cluster.NodeOptions{NodeID: "old", Kinds: kinds{"a": echoData}})
		<-old.Ready()
		newer := lc.startWith(cluster.NodeOptions{NodeID: "newer", Kinds: kinds{"a": echoData, "b": echoData}})
		<-newer.Ready()
		time.Sleep(30 * time.Second) // virtual: shards have moved
		client := lc.client()

		refused := 0
		for _, key := range keysOf(8, "old", "old", "newer") {
			began := time.Now()
			err := errOf(client.Kind("b").Key(key).Request(t.Context(), touch{}))
			wantError(t, err, cluster.ErrUnknownKind, cluster.NotStarted)
			if d := time.Since(began); d < 4*time.Second || d > 5*time.Second+time.Millisecond {
				t.Errorf("key %s: gave up after %v, want 5 s", key, d)
			}
			if _, hinted := cluster.RetryAfter(err); !hinted {
				t.Errorf("no hint in %v", err)
			}
			refused++
			began = time.Now()
			wantError(t, client.Kind("c").Key(key).Notify(t.Context(), touch{}), cluster.ErrUnknownKind, cluster.NotStarted)
			if d := time.Since(began); d > 0 {
				t.Errorf("a kind that no node hosts fails after %v", d)
			}
		}
		if refused == 0 {
			t.Fatal("the old node owns nothing")
		}

		key := keysOf(1, "old", "old", "newer")[0]
		answered := make(chan error, 2)
		go func() { answered <- errOf(client.Kind("b").Key(key).Request(t.Context(), touch{})) }() // end with the answers
		go func() { answered <- client.Kind("b").Key(key).Notify(t.Context(), touch{}) }()
		time.Sleep(time.Second) // virtual
		lc.end(old)             // the deploy goes on
		for range 2 {
			if err := <-answered; err != nil {
				t.Errorf("a call during the deploy: %v", err)
			}
		}
		lc.end(newer)
	})
}

// TestForeignKinds: a node of another service is refused while members live, takes
// nothing from them, and joins when they have gone or are dead.
func TestForeignKinds(t *testing.T) {
	for name, c := range map[string]struct {
		first, second cluster.NodeOptions
		refused       bool
	}{
		"other kinds":             {cluster.NodeOptions{Kinds: kinds{"a": echoData}}, cluster.NodeOptions{Kinds: kinds{"b": echoData}}, true},
		"one in common":           {cluster.NodeOptions{Kinds: kinds{"a": echoData, "b": echoData}}, cluster.NodeOptions{Kinds: kinds{"c": echoData, "b": echoData}}, false},
		"no kind, kinds":          {cluster.NodeOptions{Handler: echoData}, cluster.NodeOptions{Kinds: kinds{"a": echoData}}, true},
		"no kind, both":           {cluster.NodeOptions{Handler: echoData}, cluster.NodeOptions{Handler: echoData, Kinds: kinds{"a": echoData}}, false},
		"no kind beside others":   {cluster.NodeOptions{Handler: echoData, Kinds: kinds{"a": echoData}}, cluster.NodeOptions{Handler: echoData, Kinds: kinds{"b": echoData}}, false},
		"no kind in either":       {cluster.NodeOptions{Handler: echoData}, cluster.NodeOptions{Handler: echoData}, false},
		"kinds, others with none": {cluster.NodeOptions{Handler: echoData, Kinds: kinds{"a": echoData}}, cluster.NodeOptions{Kinds: kinds{"b": echoData}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lc := newLiving(t)
				defer lc.close()
				c.first.NodeID, c.second.NodeID = "first", "second"
				first := lc.startWith(c.first)
				<-first.Ready()
				second := lc.startWith(c.second)
				if !c.refused {
					<-second.Ready()
					lc.end(second, first)
					return
				}
				err := <-second.ended
				if !errors.Is(err, membership.ErrForeignKinds) || !strings.Contains(err.Error(), "prefix") || !strings.Contains(err.Error(), "drain all members") {
					t.Errorf("got %v", err)
				}
				entries, _, err := lc.store.Snapshot(t.Context(), record.MemberPrefix)
				if err != nil || len(entries) != 1 {
					t.Errorf("%d members have records, want the first alone (%v)", len(entries), err)
				}
				lc.end(first)
				again := lc.startWith(c.second)
				<-again.Ready()
				lc.end(again)
			})
		})
	}
}

// TestForeignKindsOfTheDead: the record of a member that has died keeps nobody out for
// longer than it keeps its shards.
func TestForeignKindsOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		dead, err := json.Marshal(record.Member{State: record.Active, LeaseMs: 6500, Counter: 9, Kinds: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		key := record.MemberKey(record.Ref{Name: "dead", Incarnation: "1"})
		if _, err := lc.store.Write(t.Context(), key, 0, dead); err != nil {
			t.Fatal(err)
		}
		n := lc.startWith(cluster.NodeOptions{NodeID: "n", Kinds: kinds{"b": echoData}})
		select {
		case <-n.Ready():
		case <-time.After(time.Minute): // virtual
			t.Error("not ready in a minute")
		}
		lc.end(n)
	})
}

// TestForeignKindsUnderOneName: a name in common is no kind in common. A node of another
// service does not oust the one that has its name, and one that replaces all kinds of the
// process before it joins as soon as that drains.
func TestForeignKindsUnderOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		release := make(chan struct{})
		slow := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			<-release
			return nil, nil
		}
		first := lc.startWith(cluster.NodeOptions{NodeID: "node-1", Kinds: kinds{"account": slow}})
		<-first.Ready()
		other := cluster.NodeOptions{NodeID: "node-1", Kinds: kinds{"invoice": echoData}}
		second := lc.startWith(other)
		if err := <-second.ended; !errors.Is(err, membership.ErrForeignKinds) || !strings.Contains(err.Error(), "has this name already hosts \"account\"") {
			t.Errorf("got %v", err)
		}
		if h := first.Health(); !h.Serving || h.ShardsOwned != h.ShardsWanted || h.ShardsOwned == 0 {
			t.Errorf("the first one's health is %+v", h)
		}
		answered := make(chan error, 1)
		client := newClient(t, cluster.ClientOptions{Transport: lc.tr, NumShards: livingShards})
		go func() {
			_, err := client.Kind("account").Key("k").RequestRaw(t.Context(), "x", nil)
			answered <- err
		}()
		synctest.Wait()
		first.stop()
		time.Sleep(time.Second) // it drains: one of its calls goes on
		third := lc.startWith(other)
		time.Sleep(5 * time.Second)
		select {
		case err := <-third.ended:
			t.Fatalf("the node that comes as the first drains: %v", err)
		default:
		}
		close(release)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if err := <-first.ended; err != nil && !errors.Is(err, membership.ErrSuperseded) {
			t.Error(err)
		}
		<-third.Ready()
		lc.end(third)
	})
}
