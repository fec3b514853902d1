// Calls that their handlers never answer

package transporttest

import (
	"errors"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var leftOpenTests = []test{
	{"end with their time", testLeftOpenEnds},
}

// forgetful is a receiver that never answers messages of the type "Forget".
type forgetful struct{}

// Accept implements [dispatch.Receiver].
func (forgetful) Accept(c *dispatch.Call) {
	if !c.Start(nil) {
		return
	}
	if c.Envelope().Type != "Forget" {
		c.Reply(c.Envelope().Data, nil)
	}
	c.End()
}

// Calls that their handler leaves open hold their places until their time is up, and
// no longer, also where their senders can say nothing any more.
func testLeftOpenEnds(s *suite) {
	const most = 4
	p := s.pair(transport.Limits{MaxPending: most})
	server := dispatch.BackendOf(p.Server)
	if server == nil {
		return // all calls are answered where handlers are funcs
	}
	if _, err := server.Subscribe(s.patient(), 0, dispatch.Subscriber{Receiver: forgetful{}}); err != nil {
		s.Fatal(err)
	}
	taken := func(env transport.Envelope) func() bool {
		return func() bool {
			_, err := p.request(env)
			if err != nil && !errors.Is(err, outcome.ErrEnvelopeExpired) { // on a busy machine, on its way
				s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
			}
			return err == nil
		}
	}
	for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
		for range 2 * most { // the second half where the first has been
			s.eventually("a call is taken", taken(transport.Envelope{Type: "Forget", Delivery: delivery, TTLMs: 50}))
		}
		s.eventually("the shard takes calls again", taken(transport.Envelope{Type: "After"}))
	}
	s.eventually("a request is left open", func() bool {
		_, err := p.request(transport.Envelope{Type: "Forget", TTLMs: 50})
		if err == nil {
			s.Fatal("it was answered")
		}
		return errors.Is(err, outcome.ErrEnvelopeExpired) && outcome.Of(err) == outcome.MaybeRan
	})
	if err := receive(s, "Close", ends(p.Server.Close)); err != nil {
		s.Errorf("Close: %v", err)
	}
}
