package host_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestBoundsOfADefinition: the host's option, the definition's, the default, none.
func TestBoundsOfADefinition(t *testing.T) {
	type held struct{}
	for _, c := range []struct{ host, definition, want int }{
		{0, 0, 1024},
		{0, 5, 5},
		{0, 1100, 1100},
		{0, -1, 1200},
		{7, 5, 7},
		{-1, 5, 1200},
		{5, -1, 5},
	} {
		option := func(o func(int) actor.Option) []actor.Option {
			if c.definition == 0 {
				return nil
			}
			return []actor.Option{o(c.definition)}
		}
		bubble(t, func(t *testing.T) {
			def := actor.Define("held", func(string) *held { return &held{} }, append(option(actor.CacheSize),
				actor.OnRequest(func(*held, *actor.Context, Go) (bool, error) { return true, nil }))...)
			w := newWorld(t, host.Options{CacheSize: c.host, Factory: def.New})
			for i := range 1200 {
				if _, err := w.request(strconv.Itoa(i), "Go").settled(t); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if n := w.Active(); n != c.want {
				t.Errorf("CacheSize %d, and %d of the definition: %d keys are active, want %d", c.host, c.definition, n, c.want)
			}
		})
		bubble(t, func(t *testing.T) {
			gate := make(chan struct{})
			def := actor.Define("held", func(string) *held { return &held{} }, append(option(actor.MailboxSize),
				actor.OnRequest(func(*held, *actor.Context, Go) (bool, error) { <-gate; return true, nil }))...)
			w := newWorld(t, host.Options{MailboxSize: c.host, Factory: def.New})
			calls := []*call{w.request("k", "Go")}
			synctest.Wait() // its turn has begun
			taken := 0
			for range 1200 {
				next := newCall()
				next.msg = host.Message{Type: "Go", Key: "k", Data: []byte("{}")}
				if err := w.Deliver(0, "k", next); err == nil {
					taken++
					calls = append(calls, next)
				} else if !errors.Is(err, outcome.ErrOverloaded) {
					t.Fatal(err)
				}
			}
			if taken != c.want {
				t.Errorf("MailboxSize %d, and %d of the definition: %d messages wait, want %d", c.host, c.definition, taken, c.want)
			}
			close(gate)
			for _, c := range calls {
				if _, err := c.settled(t); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestFewerThanAreActive: a definition that allows fewer keys than have come before its first entity is
// made is kept to as soon as they have no work.
func TestFewerThanAreActive(t *testing.T) {
	type held struct{}
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		def := actor.Define("held", func(string) *held { return &held{} }, actor.CacheSize(3),
			actor.OnRequest(func(*held, *actor.Context, Go) (bool, error) { return true, nil }))
		w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
			<-gate
			return def.New(key)
		}})
		var calls []*call
		for i := range 50 {
			calls = append(calls, w.request(strconv.Itoa(i), "Go"))
		}
		synctest.Wait()
		close(gate)
		for _, c := range calls {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n := w.Active(); n != 3 {
			t.Errorf("%d keys are active, want 3", n)
		}
	})
}

func TestBoundsOutOfRange(t *testing.T) {
	for name, option := range map[string]func(int) actor.Option{"CacheSize": actor.CacheSize, "MailboxSize": actor.MailboxSize} {
		for _, n := range []int{0, -2, -1000} {
			func() {
				defer func() {
					want := fmt.Sprintf("clstr: %s %d: -1 (unlimited), or 1 and more", name, n)
					if text := fmt.Sprint(recover()); text != want {
						t.Errorf("panic %q, want %q", text, want)
					}
				}()
				option(n)
			}()
		}
	}
}
