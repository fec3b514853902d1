// Notifications that come one behind the other, without waiting

package transporttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// told is the outcome of a notification that was posted.
type told chan error

// Told implements [dispatch.Told].
func (c told) Told(err error) { c <- err }

// testBehind: a notification is accepted only behind the one that it names, whatever became of that.
func testBehind(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	poster, ok := dispatch.BackendOf(p.Client).(dispatch.Poster)
	if !ok || poster.Number() == 0 {
		return // it sends one notification to a key at a time
	}
	var mu sync.Mutex
	var ran []string
	note := func(_ context.Context, env transport.Envelope) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, string(env.Data))
		return nil, nil
	}
	p.serve(0, note)
	p.serve(1, note)
	post := func(shard int, name string, after uint64) (number uint64, outcome told) {
		s.Helper()
		number, outcome = poster.Number(), make(told, 1)
		env := transport.Envelope{Shard: shard, Type: "Note", Key: "k", Data: []byte(name), Delivery: transport.AwaitAccept}
		open, err := poster.Post(s.patient(), &env, dispatch.Order{Number: number, After: after}, time.Now().Add(patience), outcome)
		if !open {
			outcome <- err
		}
		return number, outcome
	}
	accepted := func(what string, c told) {
		s.Helper()
		if err := receive(s, what, c); err != nil {
			s.Errorf("%s was not accepted: %v", what, err)
		}
	}
	refused := func(what string, c told, is error) {
		s.Helper()
		err := receive(s, what, c)
		if s.failed(err, is, outcome.NotSent, outcome.NotStarted); err == nil {
			s.Errorf("%s was accepted", what)
		}
	}
	never := poster.Number()
	first, c1 := post(0, "first", 0)
	second, c2 := post(0, "second", first) // without waiting for the first
	accepted("the first", c1)
	accepted("the one behind it", c2)
	lost, c3 := post(0, "behind what was never sent", never)
	_, c4 := post(0, "behind that", lost)
	refused("the one behind what was never sent", c3, outcome.ErrOutOfOrder)
	refused("the one behind that", c4, outcome.ErrOutOfOrder)
	astray, c5 := post(7, "to a shard that no node serves", second)
	refused("the one that finds no owner", c5, nil)
	_, c6 := post(0, "behind what found no owner", astray)
	refused("the one behind what found no owner", c6, outcome.ErrOutOfOrder)
	third, c7 := post(0, "third", second)
	_, c8 := post(1, "in another shard", third)
	accepted("the third", c7)
	accepted("the one in another shard of the node", c8)
	// A request comes behind all of them.
	if _, err := p.request(transport.Envelope{Type: "Note", Key: "k", Data: []byte("last")}); err != nil {
		s.Fatal(err)
	}
	s.eventually("all that were accepted", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ran) == 5
	})
	mu.Lock()
	defer mu.Unlock()
	ran = slices.DeleteFunc(ran, func(name string) bool { return name == "in another shard" })
	if want := []string{"first", "second", "third", "last"}; !slices.Equal(ran, want) {
		s.Errorf("it has run %q, want %q", ran, want)
	}
}
