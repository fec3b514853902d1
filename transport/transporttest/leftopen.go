package transporttest

import "github.com/clstr-go/clstr/transport"

var leftOpenTests = []test{
	{"end with their time", testLeftOpenEnds},
}

// forgetful is a receiver that handles what is of the type "Forget" and never answers.
type forgetful struct{}

// Accept implements [transport.Receiver].
func (forgetful) Accept(c *transport.Call) {
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
	server, ok := p.Server.(transport.ReceiverTransport)
	if !ok {
		s.Fatalf("%T is no transport.ReceiverTransport", p.Server)
	}
	if _, err := server.Subscribe(s.patient(), 0, forgetful{}); err != nil {
		s.Fatal(err)
	}
	for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
		for range most {
			if _, err := p.request(transport.Envelope{Type: "Forget", Delivery: delivery, TTLMs: 50}); err != nil {
				s.Fatal(err)
			}
		}
		s.eventually("the shard takes calls again", func() bool {
			_, err := p.request(transport.Envelope{Type: "After"})
			if err != nil {
				s.failed(err, transport.ErrOverloaded, transport.NotStarted)
			}
			return err == nil
		})
	}
	_, err := p.request(transport.Envelope{Type: "Forget", TTLMs: 50})
	s.failed(err, transport.ErrEnvelopeExpired, transport.MaybeRan)
	if err := receive(s, "Close", ends(p.Server.Close)); err != nil {
		s.Errorf("Close: %v", err)
	}
}
