package cluster_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type (
	cross struct{ Other string }       // asks Other when its partner runs too
	fork  struct{ Ways [][]string }    // walks all ways at once
	tell  struct{ First, Then string } // asks First, which tells Then
	told  struct{}                     //
	later struct{ Path []string }      // walks when its handler has returned
)

// TestCircleOfTwoChains: X asks A, which asks B, while Y asks B, which asks A. One of
// the two is refused, and the other is answered.
func TestCircleOfTwoChains(t *testing.T) {
	var meet *sync.WaitGroup
	eachWalkers(t, func(w *walkers) []actor.Option {
		return []actor.Option{actor.OnRequest(func(_ *struct{}, c *actor.Context, m cross) (walked, error) {
			meet.Done()
			meet.Wait()
			return w.next(c, walk{[]string{m.Other}})
		})}
	}, func(t *testing.T, w *walkers) {
		meet = new(sync.WaitGroup)
		meet.Add(2)
		began := time.Now()
		errs := make(chan error, 2)
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			go func() { // ends with its request
				_, err := cluster.NewRequest[cross, walked](w.Client().Key(pair[0])).Request(t.Context(), cross{pair[1]})
				errs <- err
			}()
		}
		one, other := <-errs, <-errs
		if one == nil {
			one, other = other, one
		}
		circle(t, one, time.Since(began))
		if other != nil {
			t.Errorf("the other one: %v", other)
		}
		if one != nil && !strings.Contains(one.Error(), `key "a" asks key "b" asks key "a"`) && !strings.Contains(one.Error(), `key "b" asks key "a" asks key "b"`) {
			t.Errorf("%v does not name the keys", one)
		}
	})
}

// TestNoCircle: what looks like one and is none.
func TestNoCircle(t *testing.T) {
	heard := make(chan string, 8)
	returned := make(chan struct{})
	eachWalkers(t, func(w *walkers) []actor.Option {
		return []actor.Option{
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m fork) (walked, error) {
				errs := make([]error, len(m.Ways))
				var all sync.WaitGroup
				for i, way := range m.Ways {
					all.Go(func() { _, errs[i] = w.next(c, walk{way}) })
				}
				all.Wait()
				return walked{}, errors.Join(errs...)
			}),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m tell) (walked, error) {
				if m.First != "" {
					r, err := cluster.NewRequest[tell, walked](w.Client().Key(m.First)).Request(c, tell{Then: m.Then})
					if err != nil {
						return walked{}, err
					}
					return *r, nil
				}
				return walked{}, w.Client().Key(m.Then).Notify(c, told{})
			}),
			actor.OnNotify(func(_ *struct{}, c *actor.Context, _ told) error {
				_, err := w.next(c, walk{[]string{"b"}}) // nobody waits for this turn
				if err != nil {
					t.Error(err)
				}
				heard <- c.Key()
				return nil
			}),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m later) (walked, error) {
				ctx := context.WithoutCancel(c)
				go func() { // ends with its request
					<-returned
					_, err := w.next(ctx, walk(m))
					if err != nil {
						t.Error(err)
					}
					heard <- "later"
				}()
				return walked{}, nil
			}),
		}
	}, func(t *testing.T, w *walkers) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ask := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := cluster.NewRequest[fork, walked](w.Client().Key("a")).Request(ctx, fork{[][]string{{"b", "d"}, {"c", "d"}, {"d"}}})
		ask("parallel calls that meet at one key", err)
		_, err = cluster.NewRequest[tell, walked](w.Client().Key("a")).Request(ctx, tell{First: "b", Then: "a"})
		ask("A asks B, and B tells A", err)
		if key := <-heard; key != "a" {
			t.Errorf("%s was told", key)
		}
		for range 50 { // its turn may not have ended yet when the caller has the answer
			_, err = cluster.NewRequest[later, walked](w.Client().Key("a")).Request(ctx, later{[]string{"a", "b"}})
			ask("a goroutine that goes on", err)
			returned <- struct{}{}
			<-heard
		}
	})
}

// TestCircleOfHooks: hooks are turns as well.
func TestCircleOfHooks(t *testing.T) {
	var got map[string]chan error // by key: a periodic hook runs as often as there is time
	eachWalkers(t, func(w *walkers) []actor.Option {
		first := map[string]chan error{"activated": make(chan error, 1), "passivated": make(chan error, 1), "periodic": make(chan error, 1)}
		got = first
		self := func(name string) func(*struct{}, *actor.Context) error {
			return func(_ *struct{}, c *actor.Context) error {
				if c.Key() == name {
					_, err := w.next(c, walk{[]string{"far", name}})
					select {
					case first[name] <- err:
					default:
					}
				}
				return nil
			}
		}
		return []actor.Option{
			actor.OnActivate(self("activated")), actor.OnPassivate(self("passivated")), actor.Every(50*time.Millisecond, self("periodic")),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, _ told) (walked, error) { c.Passivate(); return walked{}, nil }),
		}
	}, func(t *testing.T, w *walkers) {
		for _, key := range []string{"activated", "passivated", "periodic"} {
			began := time.Now()
			if _, err := cluster.NewRequest[told, walked](w.Client().Key(key)).Request(t.Context(), told{}); err != nil {
				t.Errorf("%s: %v", key, err)
			}
			if key == "periodic" { // it was passivated at once, but for this
				if _, err := w.next(t.Context(), walk{[]string{key}}); err != nil {
					t.Error(err)
				}
			}
			name := `key "` + key + `"`
			if key == "passivated" {
				name = "the stop hook of " + name
			}
			err := <-got[key]
			circle(t, err, time.Since(began))
			if want := name + ` asks key "far" asks ` + name; err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %s", err, want)
			}
		}
	})
}
