// Order: of one sender and of many

package transporttest

import (
	"encoding/binary"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

var orderTests = []test{
	{"one sender", func(s *suite) { testOrder(s, 1, 1000) }},
	{"many senders", func(s *suite) { testOrder(s, 16, 100) }},
	{"one behind the other", testBehind},
}

// witness is a receiver that notes messages in the order in which it accepts them.
type witness struct {
	mu  sync.Mutex
	got map[byte][]uint32 // by sender
}

// Accept implements [dispatch.Receiver].
func (w *witness) Accept(c *dispatch.Call) {
	data := c.Envelope().Data
	w.mu.Lock()
	w.got[data[0]] = append(w.got[data[0]], binary.BigEndian.Uint32(data[1:]))
	w.mu.Unlock()
	if c.Start(nil) {
		c.Reply(nil, nil)
		c.End()
	}
}

// testOrder sends from several senders at once, each one message after the other, in
// all deliveries in turn.
func testOrder(s *suite, senders, messages int) {
	p := s.pair(transport.Limits{MaxPending: -1})
	server := dispatch.BackendOf(p.Server)
	if server == nil {
		return // a transport that knows funcs only cannot keep the order of notifications
	}
	w := &witness{got: map[byte][]uint32{}}
	if _, err := server.Subscribe(s.patient(), 0, dispatch.Subscriber{Receiver: w}); err != nil {
		s.Fatal(err)
	}
	ctx := s.patient()
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := range messages {
				env := transport.Envelope{Type: "Next", Data: append([]byte{byte(sender)}, 0, 0, 0, 0)}
				binary.BigEndian.PutUint32(env.Data[1:], uint32(i))
				env.Delivery = transport.AwaitNothing
				switch {
				case i == messages-1: // when it is answered, all before it have come
					env.Delivery = transport.AwaitReply
				case i%10 == 3:
					env.Delivery = transport.AwaitAccept
				case i%10 == 7:
					env.Delivery = transport.AwaitReply
				}
				if _, err := p.Client.Request(ctx, env); err != nil {
					s.Errorf("sender %d, message %d: %v", sender, i, err)
				}
			}
		})
	}
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for sender := range senders {
		got := w.got[byte(sender)]
		if len(got) != messages {
			s.Errorf("sender %d: %d of %d messages arrived", sender, len(got), messages)
		}
		for i, n := range got {
			if int(n) != i {
				s.Fatalf("sender %d: message %d arrived in place %d", sender, n, i)
			}
		}
	}
}
