// One outcome for every call, under load and while shards move

package transporttest

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var outcomeTests = []test{
	{"one outcome for every call", testOutcomes},
	{"outcomes while shards come and go", testOutcomesMoving},
}

const (
	outcomeCallers = 64
	outcomeCalls   = 60 // of each caller
)

// tally counts how often each call's handler has run.
type tally [outcomeCallers * outcomeCalls]atomic.Int32

func (t *tally) handle(_ context.Context, env transport.Envelope) ([]byte, error) {
	t[binary.BigEndian.Uint32(env.Data)].Add(1)
	return env.Data, nil
}

// check compares what a caller was told with what has happened.
func (t *tally) check(s *suite, id uint32, err error) {
	n := t[id].Load()
	switch o := outcome.Of(err); {
	case n > 1:
		s.Errorf("call %d ran %d times", id, n)
	case o == outcome.Succeeded && n != 1, o == outcome.RanAndFailed:
		s.Errorf("call %d ran %d times and returned %v", id, n, err)
	case o.NeverRan() && n != 0:
		s.Errorf("call %d ran, and its caller was told %v (%v)", id, o, err)
	}
}

func testOutcomes(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 2})
	t := new(tally)
	var subs []transport.Subscription
	for shard := range uint32(4) {
		subs = append(subs, p.serve(shard, t.handle))
	}
	var outcomes [outcomeCallers * outcomeCalls]error
	p.callAll(time.Millisecond, func(id uint32, reply []byte, err error) {
		outcomes[id] = err
		if err == nil && (len(reply) != 4 || binary.BigEndian.Uint32(reply) != id) {
			s.Errorf("call %d got the reply %v", id, reply)
		}
	})
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil { // what still runs comes to its end
			s.Fatal(err)
		}
	}
	for id, err := range outcomes {
		if err != nil {
			s.failed(err, nil, outcome.NotSent, outcome.NotStarted, outcome.MaybeRan)
		}
		t.check(s, uint32(id), err)
	}
}

// testOutcomesMoving takes shards away and brings them back while calls are under way.
func testOutcomesMoving(s *suite) {
	p := s.pair(transport.Limits{})
	t := new(tally)
	stop := make(chan struct{})
	var movers sync.WaitGroup
	for shard := range uint32(4) {
		movers.Go(func() {
			for {
				sub, err := p.Server.SubscribeShard(context.Background(), shard, t.handle)
				if err != nil {
					s.Errorf("SubscribeShard(%d): %v", shard, err)
					return
				}
				select {
				case <-stop:
				case <-time.After(rand.N(2 * time.Millisecond)):
				}
				if err := sub.Unsubscribe(); err != nil {
					s.Errorf("Unsubscribe(%d): %v", shard, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var outcomes [outcomeCallers * outcomeCalls]error
	p.callAll(20*time.Millisecond, func(id uint32, _ []byte, err error) { outcomes[id] = err })
	close(stop)
	movers.Wait()
	for id, err := range outcomes {
		t.check(s, uint32(id), err)
	}
}
