// Bytes of a node and of a key, sizes of messages, requests without a deadline

package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var bytesTests = []test{
	{"bytes in flight of a node", testNodeBytes},
	{"bytes in flight of a key", testKeyBytes},
	{"a node's bytes let its handlers ask", testNodeBytesNested},
	{"a message is as large in all directions", testMessageSize},
	{"a reply that is too large names one that fits", testReplySize},
	{"a request without a deadline ends", testDefaultTTL},
}

// testNodeBytes: the bytes that a node holds are bounded over all its shards. One
// message is always accepted.
func testNodeBytes(s *suite) {
	const size, most = 8 << 10, 4
	p := s.pair(transport.Limits{})
	hold := s.gate()
	p.weighed(most*(size+1), -1, func(context.Context, transport.Envelope) ([]byte, error) { <-hold.c; return nil, nil }, 0, 1)
	p.weighed(1, -1, echo, 2)
	for i := range most {
		p.accepted(transport.Envelope{Shard: i % 2, Type: "Fill", Key: strconv.Itoa(i), Data: make([]byte, size)})
	}
	for shard := range 2 {
		p.tooHeavy(transport.Envelope{Shard: shard, Type: "Over", Data: make([]byte, size)})
		p.tooHeavy(transport.Envelope{Shard: shard, Type: "Over", Headers: map[string]string{"h": "v"}})
	}
	for range 3 { // another node, which takes one message at a time
		p.wantSoon(transport.Envelope{Shard: 2, Type: "Large", Data: bytes.Repeat([]byte("x"), size)})
	}
	hold.open()
	for range 3 * most { // what was refused, or has finished, does not count
		p.wantSoon(transport.Envelope{Type: "After", Data: make([]byte, most*size)})
	}
}

// testKeyBytes: one key cannot use up all bytes of its node.
func testKeyBytes(s *suite) {
	const size, most = 8 << 10, 4
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	hold := s.gate()
	var ran atomic.Int32
	p.weighed(-1, most*(size+3), func(context.Context, transport.Envelope) ([]byte, error) { <-hold.c; ran.Add(1); return nil, nil }, 0)
	env := transport.Envelope{Type: "Fill", Key: "hot", Kind: "a", Data: make([]byte, size)}
	for range most {
		p.accepted(env)
	}
	p.tooHeavy(env)
	others := []transport.Envelope{env, env, env, env}
	others[0].Key = "cool"
	others[1].Kind = "b"
	others[2].Key = ""   // to the shard
	others[3].Data = nil // light
	for _, other := range others {
		p.accepted(other)
	}
	large := env
	large.Key, large.Data = "large", make([]byte, 2*most*size)
	p.accepted(large)
	p.tooHeavy(large)
	hold.open()
	s.eventually("the handlers have run", func() bool { return int(ran.Load()) == most+len(others)+1 })
	for range 3 * most {
		p.wantSoon(env)
		p.wantSoon(large)
	}
}

// testNodeBytesNested: to finish, calls that were admitted may hold as much again in
// calls of their own, and no more.
func testNodeBytesNested(s *suite) {
	const size, turns = 64 << 10, 1 << 10 // what the turns that wait take counts as well
	p := s.pair(transport.Limits{})
	p.weighed(size+turns, -1, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		left, err := strconv.Atoi(env.Type)
		if err != nil || left == 0 {
			return []byte("end"), err
		}
		return p.Client.Request(ctx, transport.Envelope{Shard: left % 2, Type: strconv.Itoa(left - 1), Data: make([]byte, 100)})
	}, 0, 1)
	for range 3 {
		p.wantSoon(transport.Envelope{Type: "20", Data: make([]byte, size)})
	}
	p.weighed(size+turns, -1, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type != "Ask" {
			return nil, nil
		}
		_, err := p.Client.Request(ctx, transport.Envelope{Shard: 2, Type: "Same", Data: make([]byte, size)})
		if err != nil {
			return nil, err
		}
		_, err = p.Client.Request(ctx, transport.Envelope{Shard: 2, Type: "Twice", Data: make([]byte, 2*size)})
		s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
		return nil, nil
	}, 2)
	p.wantSoon(transport.Envelope{Shard: 2, Type: "Ask", Data: make([]byte, size)})
}

// testMessageSize: where messages are bounded, payload, key and headers count together.
// The error names a payload size that fits.
func testMessageSize(s *suite) {
	most := s.h.Features.MaxPayload
	if most == 0 {
		return
	}
	p := s.pair(transport.Limits{})
	p.serve(0, func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })
	for _, env := range []transport.Envelope{
		{Type: "Bare"}, {Type: "ByKey", Key: "key", Kind: "kind", TTLMs: 30_000}, {Type: "Headers", Headers: map[string]string{"h": string(make([]byte, 5000))}},
	} {
		for _, env.Delivery = range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			env.Data = make([]byte, most-10)
			_, err := p.request(env)
			e := s.failed(err, outcome.ErrTooLarge, outcome.NotSent)
			var asked, allowed int
			if _, err := fmt.Sscanf(e.Message, "message too large: payload of %d bytes: at most %d fit", &asked, &allowed); err != nil || asked != most-10 || allowed >= asked {
				s.Errorf("%s: %q: %v", env.Type, e.Message, err)
			}
			env.Data = env.Data[:allowed]
			if _, err := p.request(env); err != nil {
				s.Errorf("%s of %d bytes, which were said to fit: %v", env.Type, allowed, err)
			}
		}
	}
}

// testReplySize: the error for a reply that is too large names a size that fits.
func testReplySize(s *suite) {
	most := s.h.Features.MaxPayload
	if most == 0 {
		return
	}
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		n, err := strconv.Atoi(env.Type)
		return make([]byte, n), err
	})
	_, err := p.request(transport.Envelope{Type: strconv.Itoa(most - 1)})
	e := s.failed(err, outcome.ErrReplyTooLarge, outcome.RanAndFailed)
	var had, allowed int
	if _, err := fmt.Sscanf(e.Message, "reply too large: reply of %d bytes: at most %d fit", &had, &allowed); err != nil || had != most-1 || allowed >= had {
		s.Fatalf("%q: %v", e.Message, err)
	}
	if reply, err := p.request(transport.Envelope{Type: strconv.Itoa(allowed)}); err != nil || len(reply) != allowed {
		s.Errorf("a reply of %d bytes, which were said to fit: %d bytes, %v", allowed, len(reply), err)
	}
}

// testDefaultTTL: a request without a bound gets one, and its handler sees it.
func testDefaultTTL(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		return fmt.Appendf(nil, "%t %t %t", env.TTLMs > 0, env.TTLMs <= 30_000, env.CreatedAtMs > 0), nil
	})
	reply, err := p.Client.Request(context.Background(), transport.Envelope{Type: "Unbounded"})
	if err != nil || string(reply) != "true true true" {
		s.Errorf("without a deadline: %q, %v", reply, err)
	}
	p.want(transport.Envelope{Type: "Deadline"}, "false true false")
	p.want(transport.Envelope{Type: "TTL", TTLMs: 29_000}, "true true true")
}
