package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// setClock is a store that keeps its promises by a clock of its own, which is apart from that of the nodes.
type setClock struct {
	state.Store
	apart *atomic.Int64
}

func (s setClock) shift(e state.Entry) state.Entry {
	if e.Rev > 0 {
		e.Time = e.Time.Add(time.Duration(s.apart.Load())).Round(0) // as one that was read from a wire
	}
	return e
}

func (s setClock) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	es, more, err := s.Store.Read(ctx, t, r)
	for i := range es {
		es[i] = s.shift(es[i])
	}
	return es, more, err
}

func (s setClock) Watch(r state.Range, f func(state.Entry)) (func(), error) {
	return s.Store.Watch(r, func(e state.Entry) { f(s.shift(e)) })
}

// TestClocksThatAreSet: a node and a watch whose wall clock is a day from the store's, from the beginning or
// from some moment on, forth or back, remember and forget IDs and states as others do.
func TestClocksThatAreSet(t *testing.T) {
	const day = 24 * time.Hour
	want := []string{
		"repeats: [1 31 61 91 121]",
		"repeats, after the clock was set: [1 31 61 91 121]",
		"in the next incarnation: [1 31 61 91 121]",
		"a new one, and one that is too old: [151 151 expired]",
		"after nine minutes: [1 31 61 91 121]",
		"an ID that lay beside the record, after twelve: [expired 152]",
		"a watch: [0s false 152 <nil>]",
		"a watch: [1h0m0s true 0 <nil>]",
		"after its end: [1]",
	}
	for _, apart := range [][2]time.Duration{{0, 0}, {day, day}, {-day, -day}, {0, day}, {0, -day}, {day, -day}} {
		t.Run(fmt.Sprint(apart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := underClocks(t, apart[0], apart[1]); !slices.Equal(got, want) {
					t.Errorf("got\n%q\nwant\n%q", got, want)
				}
			})
		})
	}
}

// underClocks is the story of a key whose state ends an hour after its last change, and which remembers an ID
// for ten minutes.
func underClocks(t *testing.T, first, then time.Duration) (story []string) {
	var apart atomic.Int64
	apart.Store(int64(first))
	def := actor.Define("till", func(string) *cashbox { return &cashbox{} }, actor.OnRequest((*cashbox).take),
		actor.Durable(actor.Persistence{TTL: time.Hour, Window: 10 * time.Minute}))
	c := testkit.NewCluster(t, testkit.ClusterOptions{State: setClock{memstate.New(), &apart},
		Kinds: map[string]cluster.ServerHandlerFunc{"till": cluster.NewActorHandler(def.New)}})
	till := c.Client().Kind("till").Key("k")
	send := func(id string, age time.Duration) string {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		got, err := cluster.NewRequest[take, amount](till).Request(ctx, take{1}, cluster.WithID(id),
			func(e *cluster.Envelope) { e.AgeMs = age.Milliseconds() })
		if e, ok := errors.AsType[*cluster.Error](err); ok {
			return e.Code
		} else if err != nil {
			return err.Error()
		}
		return fmt.Sprint(got.Cents)
	}
	tell := func(what string, told ...string) { story = append(story, fmt.Sprint(what, ": ", told)) }
	again := func(what string) {
		var told []string
		for i := 0; i < 150; i += 30 {
			told = append(told, send(fmt.Sprint(i), time.Minute))
		}
		tell(what, told...)
	}
	for i := range 150 { // more than a record takes: others lie beside it
		send(fmt.Sprint(i), 0)
	}
	again("repeats")
	apart.Store(int64(then))
	again("repeats, after the clock was set")
	owner := c.Owner("k")
	c.StopNode(owner)
	c.StartNode(owner)
	again("in the next incarnation")
	tell("a new one, and one that is too old", send("new", 0), send("new", 11*time.Minute), send("older", 11*time.Minute))
	time.Sleep(9 * time.Minute)
	again("after nine minutes")
	time.Sleep(3 * time.Minute)
	tell("an ID that lay beside the record, after twelve", send("0", 12*time.Minute), send("0", 0))

	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Minute)
	defer cancel()
	began := time.Now()
	for change, err := range cluster.Watch[cashbox](ctx, till) {
		at := time.Since(began).Round(time.Minute)
		tell("a watch", fmt.Sprint(at, " ", change.Deleted, " ", change.State.Cents, " ", err))
		if change.Deleted {
			break
		}
	}
	c.StopNode(owner)
	c.StartNode(owner)
	tell("after its end", send("0", 0))
	return story
}
