// Notifications: acceptance, and none without an ack

package transporttest

import (
	"context"
	"encoding/binary"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var notifyTests = []test{
	{"acceptance does not wait for the handler", testAcceptDoesNotWait},
	{"without an ack", testWithoutAck},
	{"the handler's error stays", testNotifyError},
	{"a failure is told where its sender cannot be", testNotifyFailure},
	{"one key's keep their order", testNotifyOrder},
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
		s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.NotSent, outcome.NotStarted)
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

func testNotifyFailure(s *suite) {
	p := s.pair(transport.Limits{})
	life, codes, log := p.failures()
	sub, err := p.Server.SubscribeShard(life.Context(), 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Panic" {
			panic(env.Type)
		}
		return nil, errRegistered
	})
	if err != nil {
		s.Fatal(err)
	}
	const each = 3
	want := map[string]string{"Panic": "panicked", "Fail": "transporttest.registered"}
	for msgType, code := range want {
		for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
			for range each {
				if _, err := p.request(transport.Envelope{Type: msgType, Data: []byte("s3cret"), Delivery: delivery}); err != nil {
					s.Errorf("%s: %v", msgType, err)
				}
			}
			for range each {
				if got := receive(s, "the failure", codes); got != code {
					s.Errorf("%s was told as %q, want %q", msgType, got, code)
				}
			}
		}
	}
	if _, err := p.request(transport.Envelope{Type: "Fail"}); err == nil {
		s.Error("a request has succeeded")
	}
	if err := sub.Unsubscribe(); err != nil {
		s.Error(err)
	}
	if err := life.End(); err != nil {
		s.Error(err)
	}
	if n := len(codes); n != 0 {
		s.Errorf("%d failures more, of requests", n)
	}
	lines := strings.Count(log.String(), "notification failed")
	if lines < 1 || lines > 2*each || !strings.Contains(log.String(), "code=transporttest.registered") || strings.Contains(log.String(), "s3cret") {
		s.Errorf("%d lines for %d failures:\n%s", lines, 2*each, log)
	}
}

// testNotifyOrder: a func that handles the notifications of one key gets them one at a
// time, and gets a later message after the earlier ones.
func testNotifyOrder(s *suite) {
	const messages = 60
	p := s.pair(transport.Limits{})
	var next atomic.Uint32
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		i := binary.BigEndian.Uint32(env.Data)
		for range (messages - i) * 20 { // the first takes longest
			runtime.Gosched()
		}
		if !next.CompareAndSwap(i, i+1) {
			s.Errorf("message %d came when it was the turn of %d", i, next.Load())
		}
		return nil, nil
	})
	for i := range uint32(messages) {
		delivery := []transport.Delivery{transport.AwaitNothing, transport.AwaitAccept, transport.AwaitReply}[i/2%3]
		env := transport.Envelope{Type: "Next", Key: "k", Data: binary.BigEndian.AppendUint32(nil, i), Delivery: delivery}
		if _, err := p.request(env); err != nil {
			s.Fatal(err)
		}
	}
	if n := next.Load(); n != messages {
		s.Errorf("the reply to the last of %d came after %d", messages, n)
	}
}
