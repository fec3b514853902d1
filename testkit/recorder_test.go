package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

func TestRecorderKeepsWhatArrives(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		rec := testkit.NewRecorder()
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Handler: rec.Handler()})
		data := []byte("hello")
		reply, err := c.Client().RequestKey(context.Background(), "a", "Greet", data, cluster.WithHeader("lang", "en"), cluster.WithID("order-1"))
		if err != nil || len(reply) != 0 {
			t.Fatalf("got %q, %v", reply, err)
		}
		copy(data, "xxxxx")
		if err := c.Client().NotifyShard(context.Background(), c.Shard("a"), "Poke", nil); err != nil {
			t.Fatal(err)
		}
		got := rec.Expect(t, 2)
		m := got[0]
		if m.Node != c.Owner("a") || m.Shard != c.Shard("a") || m.Key != "a" || m.Type != "Greet" || string(m.Data) != "hello" ||
			m.Headers["lang"] != "en" || m.Delivery != transport.AwaitReply || m.ID != "order-1" || !strings.Contains(m.String(), `"order-1"`) {
			t.Errorf("got %+v", m)
		}
		if m = got[1]; m.Node != c.Owner("a") || m.Key != "" || m.ID != "" || m.Type != "Poke" || m.Delivery != transport.AwaitAccept {
			t.Errorf("got %+v", m)
		}
	})
}

// What one sender notifies a key of is recorded in that order, beside others.
func TestRecorderKeepsTheOrderOfAKey(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		const keys, each = 8, 100
		rec := testkit.NewRecorder()
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Handler: rec.Handler()})
		var senders sync.WaitGroup
		for k := range keys {
			senders.Go(func() {
				for i := range each {
					if err := c.Client().NotifyKey(context.Background(), fmt.Sprint(k), fmt.Sprint(i), nil); err != nil {
						t.Errorf("key %d: %v", k, err)
					}
				}
			})
		}
		senders.Wait()
		rec.Expect(t, keys*each)
		for k := range keys {
			for i, m := range rec.Key(fmt.Sprint(k)) {
				if m.Type != fmt.Sprint(i) {
					t.Fatalf("key %d: message %d is %s", k, i, m)
				}
			}
		}
	})
}

func TestRecorderWrapKeepsTheOutcome(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		rec := testkit.NewRecorder()
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Handler: rec.Wrap(cluster.NewActorHandler(counters.New))})
		mustAdd(t, c, "a", 2, 2)
		mustAdd(t, c, "a", 3, 5)
		_, err := c.Client().Key("a").Request(context.Background(), add{-1})
		if !errors.Is(err, errNegative) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
		if got := rec.Key("a"); len(got) != 3 || string(got[1].Data) != `{"N":3}` {
			t.Errorf("recorded %v", got)
		}
	})
}

func TestExpectReturnsEachMessageOnce(t *testing.T) {
	rec := testkit.NewRecorder()
	c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: rec.Handler()})
	send := func(name string) {
		if _, err := c.Client().RequestKey(context.Background(), "a", name, nil); err != nil {
			t.Fatal(err)
		}
	}
	send("1")
	send("2")
	send("3")
	if got := rec.Expect(t, 2); got[0].Type != "1" || got[1].Type != "2" {
		t.Errorf("got %v", got)
	}
	if got := rec.Expect(t, 1); got[0].Type != "3" {
		t.Errorf("got %v", got)
	}
	rec.Reset()
	send("4")
	if got := rec.Expect(t, 1); got[0].Type != "4" || len(rec.All()) != 1 {
		t.Errorf("got %v of %v", got, rec.All())
	}
}

func TestExpectFailsWhenTheyDoNotCome(t *testing.T) {
	rec := testkit.NewRecorder()
	c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: rec.Handler()})
	if _, err := c.Client().RequestKey(context.Background(), "a", "Only", nil); err != nil {
		t.Fatal(err)
	}
	over := make(chan time.Time)
	close(over)
	fake := &fakeTB{}
	if got := rec.ExpectUntil(fake, 2, over); got != nil {
		t.Errorf("got %v", got)
	}
	wantFailure(t, fake.end(), "expected 2", "got 1", "Only", `key "a"`, "node-0")
	if got := rec.Expect(t, 1); got[0].Type != "Only" {
		t.Errorf("what had come was taken: %v", got)
	}
}

func TestExpectGivesUpAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, began := &fakeTB{}, time.Now()
		testkit.NewRecorder().Expect(fake, 1)
		wantFailure(t, fake.end(), "expected 1", "got 0")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := testkit.NewRecorder()
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: rec.Handler()})
		isB := func(m testkit.Received) bool { return m.Key == "b" }
		var got testkit.Received
		var err error
		var waiter sync.WaitGroup
		waiter.Go(func() { got, err = rec.WaitFor(context.Background(), isB) })
		for _, key := range []string{"a", "b"} {
			synctest.Wait()
			if _, err := c.Client().RequestKey(context.Background(), key, "to "+key, nil); err != nil {
				t.Fatal(err)
			}
		}
		waiter.Wait()
		if err != nil || got.Type != "to b" {
			t.Errorf("got %v, %v", got, err)
		}
		if again, err := rec.WaitFor(context.Background(), isB); err != nil || again.Type != "to b" {
			t.Errorf("what was there: %v, %v", again, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := rec.WaitFor(ctx, func(testkit.Received) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// What comes after a Reset is looked at, however much was seen before it.
func TestWaitForAfterReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := testkit.NewRecorder()
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: rec.Handler()})
		send := func(key string) {
			t.Helper()
			if _, err := c.Client().RequestKey(context.Background(), key, "to "+key, nil); err != nil {
				t.Fatal(err)
			}
		}
		send("a")
		send("a")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var waiter sync.WaitGroup
		waiter.Go(func() {
			if got, err := rec.WaitFor(ctx, func(m testkit.Received) bool { return m.Key == "b" }); err != nil || got.Type != "to b" {
				t.Errorf("got %v, %v", got, err)
			}
		})
		synctest.Wait()
		rec.Reset()
		send("b")
		waiter.Wait()
	})
}
