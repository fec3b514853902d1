package transporttest

import (
	"context"
	"sync/atomic"

	"github.com/clstr-go/clstr/transport"
)

var notifyTests = []test{
	{"acceptance does not wait for the handler", testAcceptDoesNotWait},
	{"without an ack", testWithoutAck},
	{"the handler's error stays", testNotifyError},
	{"outlives its sender", testNotifyOutlives},
}

func testAcceptDoesNotWait(s *suite) {
	p := s.pair(transport.Limits{})
	hold, ended := s.gate(), make(chan string, 2)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		<-hold.c
		ended <- string(env.Data)
		return []byte("dropped"), nil
	})
	for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
		reply, err := p.request(transport.Envelope{Type: "Notify", Data: []byte("x"), Delivery: delivery})
		if err != nil || reply != nil {
			s.Fatalf("delivery %d: reply %q, %v", delivery, reply, err)
		}
	}
	hold.open()
	for range 2 {
		if got := receive(s, "the handler", ended); got != "x" {
			s.Errorf("payload %q", got)
		}
	}
}

func testWithoutAck(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, echo)
	_, err := p.request(transport.Envelope{Shard: 1, Type: "Nobody", Delivery: transport.AwaitNothing})
	if s.h.Features.RefusesUnacked || err != nil {
		s.failed(err, transport.ErrTransportNoShardSubscriber, transport.NotSent, transport.NotStarted)
	}
}

func testNotifyError(s *suite) {
	p := s.pair(transport.Limits{})
	ran := make(chan struct{}, 6)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		ran <- struct{}{}
		if env.Type == "Panic" {
			panic(env.Type)
		}
		return nil, errRegistered
	})
	for range cap(ran) / 2 {
		p.accepted(transport.Envelope{Type: "Fail"})
		p.accepted(transport.Envelope{Type: "Panic"})
	}
	for range cap(ran) {
		receive(s, "a handler", ran)
	}
}

func testNotifyOutlives(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	hold, entered := s.gate(), make(chan struct{}, 4)
	var ran, ended atomic.Int32
	sub := p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-hold.c
		ran.Add(1)
		if ctx.Err() != nil {
			ended.Add(1)
		}
		return nil, nil
	})
	ctx, cancel := context.WithCancel(s.patient())
	defer cancel()
	// The first runs when its sender leaves, the others wait in line.
	for _, delivery := range []transport.Delivery{
		transport.AwaitAccept, transport.AwaitNothing, transport.AwaitAccept, transport.AwaitNothing,
	} {
		if _, err := p.Client.Request(ctx, transport.Envelope{Type: "Notify", Delivery: delivery}); err != nil {
			s.Fatal(err)
		}
	}
	receive(s, "the handler", entered)
	cancel()
	p.accepted(transport.Envelope{Type: "Notify"}) // arrives behind whatever cancel has sent
	hold.open()
	for range 4 {
		receive(s, "the handler", entered)
	}
	if err := sub.Unsubscribe(); err != nil || ran.Load() != 5 || ended.Load() != 0 {
		s.Errorf("%d of 5 ran, %d with an ended context, %v", ran.Load(), ended.Load(), err)
	}
}
