package testkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// clerk asks a counter through the service that hosts it.
type clerk struct{}

func (*clerk) tell(c *actor.Context, m tell) (sum, error) {
	return clstr.Ask[sum](c, clstr.From(c).Kind("counter").Key(m.Key), add{1})
}

var clerks = actor.Define("clerk", func(string) *clerk { return &clerk{} }, actor.OnRequest((*clerk).tell))

// A service with all of its kinds, and one with a stand-in for a kind.
func TestOpen(t *testing.T) {
	standIns := actor.Define("counter", func(string) *clerk { return &clerk{} },
		actor.OnRequest(func(*clerk, *actor.Context, add) (sum, error) { return sum{N: 70}, nil }))
	for name, hosted := range map[string][]clstr.Entity{"entities": clstr.Host(clerks, counters), "stand-in": clstr.Host(clerks, standIns)} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			wantOne(t, testkit.Open(t, hosted...), map[string]int{"entities": 1, "stand-in": 70}[name])
		})
		t.Run(name+" in a bubble", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				wantOne(t, testkit.Open(t, hosted...), map[string]int{"entities": 1, "stand-in": 70}[name])
				time.Sleep(time.Hour - time.Since(began)) // leases go on
				svc := testkit.Open(t, hosted...)         // another service
				wantOne(t, svc, map[string]int{"entities": 1, "stand-in": 70}[name])
			})
		})
	}
}

func wantOne(t *testing.T, svc *clstr.Service, want int) {
	t.Helper()
	if s, err := clstr.Ask[sum](t.Context(), svc.Key(clerks, "c"), tell{"a"}); err != nil || s.N != want {
		t.Errorf("got %v, %v; want %d", s, err, want)
	}
}

// What cannot be opened, and what goes wrong at the end, fails the test.
func TestOpenFails(t *testing.T) {
	f := &fakeTB{}
	if svc := testkit.Open(f, counters, counters); svc != nil {
		t.Error("it opens a kind twice")
	}
	wantFailure(t, f.end(), "testkit.Open", "twice")
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTB{}
		stuck := actor.Define("stuck", func(string) *clerk { return &clerk{} },
			actor.OnNotify(func(*clerk, *actor.Context, add) error { return nil }),
			actor.OnPassivate(func(*clerk, *actor.Context) error { time.Sleep(time.Hour); return nil }))
		svc := testkit.Open(f, stuck)
		if err := clstr.Tell(t.Context(), svc.Key(stuck, "s"), add{1}); err != nil {
			t.Fatal(err)
		}
		failures := f.end()
		time.Sleep(2 * time.Hour) // the hook returns
		if len(failures) == 0 || !strings.Contains(failures[0], "testkit.Open") {
			t.Errorf("got %q", failures)
		}
	})
}

// Entities of a cluster ask through its client, and the entity that is alone through the
// test's.
func TestEntitiesFindAClient(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Kinds: map[string]cluster.ServerHandlerFunc{
			"clerk": cluster.NewActorHandler(clerks.New), "counter": cluster.NewActorHandler(counters.New),
		}})
		for want := range 3 {
			s, err := clstr.Ask[sum](t.Context(), c.Client().Kind("clerk").Key("c"), tell{"a"})
			if err != nil || s.N != want+1 {
				t.Errorf("got %v, %v", s, err)
			}
		}
	})
	stub := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Key == "refuses" {
			return nil, errNegative
		}
		return json.Marshal(sum{N: 7})
	})
	testkit.Alone(t, clerks.New, "c", testkit.AloneOptions{Client: stub}, func(t *testing.T, e *testkit.Entity) {
		if s, err := testkit.Ask[sum](e, tell{"a"}); err != nil || s.N != 7 {
			t.Errorf("got %v, %v", s, err)
		}
		if _, err := testkit.Ask[sum](e, tell{"refuses"}); !errors.Is(err, errNegative) {
			t.Errorf("got %v", err)
		}
	})
}

// A service that a node was only given a client for has no node, and closes nothing.
func TestServiceOfAClient(t *testing.T) {
	stub := testkit.StubClient(func(context.Context, cluster.Envelope) ([]byte, error) { return []byte(`{"N":7}`), nil })
	svc := clstr.From(clstr.WithClient(t.Context(), stub))
	for range 2 {
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantOne(t, svc, 7)
	}
	if svc.Node() != nil || svc.Client() != stub || svc.Health().Serving {
		t.Errorf("%v, %v, %+v", svc.Node(), svc.Client(), svc.Health())
	}
}
