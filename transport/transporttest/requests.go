// Replies, keys of any bytes, shards without an owner, large payloads

package transporttest

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var requestTests = []test{
	{"echo", testEcho},
	{"empty replies and payloads", testEmpty},
	{"no subscriber", testNoSubscriber},
	{"the envelope arrives", testEnvelopeArrives},
	{"keys are any bytes", testKeys},
	{"context values stay", testContextValues},
	{"a blocked handler delays nobody", testBlockedDelaysNobody},
	{"shards are apart", testShardsApart},
	{"large payloads", testLargePayloads},
}

func testEcho(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(7, echo)
	for _, payload := range []string{"hello", "\x00\xff", strings.Repeat("x", 100<<10)} {
		p.want(transport.Envelope{Shard: 7, Type: "Echo", Data: []byte(payload)}, payload)
	}
}

func testEmpty(s *suite) {
	p := s.pair(transport.Limits{})
	replies := map[string][]byte{"nil": nil, "empty": {}, "emptied": make([]byte, 0, 64)}
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if len(env.Data) != 0 {
			s.Errorf("%s: payload %q, want none", env.Type, env.Data)
		}
		return replies[env.Type], nil
	})
	for name := range replies {
		for _, payload := range [][]byte{nil, {}} {
			p.want(transport.Envelope{Type: name, Data: payload}, "")
		}
	}
}

func testNoSubscriber(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(1, echo)
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := p.request(transport.Envelope{Shard: 2, Type: "Lost", Delivery: delivery})
		s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}
	p.want(transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
}

func testEnvelopeArrives(s *suite) {
	p := s.pair(transport.Limits{})
	got := make(chan transport.Envelope, 1)
	p.serve(4095, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		got <- env
		return nil, nil
	})
	sent := transport.Envelope{
		Shard: 4095, Type: "bank.v1/Deposit ü", Data: []byte("payload"), Key: "acc-1", Kind: "account",
		Headers: map[string]string{"trace": "00-1", "empty": "", "Lines": "a\r\nb", "bytes": "\xff\x00", "": "no name"},
		TTLMs:   60_000, NumShards: 4096, Layout: 1<<63 | 5, ID: "order-ü", AgeMs: 1000, Codec: "nobody's ü",
	}
	p.want(sent, "")
	env := receive(s, "the envelope", got)
	if env.TTLMs <= 0 || env.TTLMs > sent.TTLMs || env.TTL() <= 0 || env.Expired() {
		s.Errorf("TTL of %d ms (%v left), want up to %d", env.TTLMs, env.TTL(), sent.TTLMs)
	}
	if age := env.Age(); env.ID != sent.ID || age < time.Second || age > 2*time.Minute {
		s.Errorf("ID %q, %v old, want %q, a second or more", env.ID, age, sent.ID)
	}
	if !maps.Equal(env.Headers, sent.Headers) {
		s.Errorf("headers %q, want %q", env.Headers, sent.Headers)
	}
	if key, ok := env.GetHeader(transport.HeaderKey); !ok || key != sent.Key {
		s.Errorf("header %s is %q, want %q", transport.HeaderKey, key, sent.Key)
	}
	if env.Shard != sent.Shard || env.Type != sent.Type || string(env.Data) != string(sent.Data) || env.Key != sent.Key ||
		env.Kind != sent.Kind || env.Codec != sent.Codec || env.NumShards != sent.NumShards || env.Layout != sent.Layout || env.Delivery != sent.Delivery {
		s.Errorf("got %+v, want %+v", env, sent)
	}
}

func testKeys(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(3, func(_ context.Context, env transport.Envelope) ([]byte, error) { return []byte(env.Key), nil })
	for _, key := range []string{
		"", "a b", "a.b.>", "*", ">", "..", "\x00", "\xff\xfe", "ключ", "a\r\nb", "$SYS.x",
		strings.Repeat("k", 1<<10), strings.Repeat("\xf0", bounds.MaxKeyBytes),
	} {
		p.want(transport.Envelope{Shard: 3, Type: "Key", Key: key}, key)
	}
}

func testContextValues(s *suite) {
	type secret struct{}
	p := s.pair(transport.Limits{})
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		if v := ctx.Value(secret{}); v != nil {
			s.Errorf("the caller's value %v has crossed", v)
		}
		return nil, nil
	})
	if _, err := p.Client.Request(context.WithValue(s.patient(), secret{}, 1), transport.Envelope{Type: "Values"}); err != nil {
		s.Fatal(err)
	}
}

func testBlockedDelaysNobody(s *suite) {
	p := s.pair(transport.Limits{})
	hold, entered := s.gate(), make(chan struct{}, 1)
	p.serve(5, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Block" {
			entered <- struct{}{}
			<-hold.c
		}
		return env.Data, nil
	})
	blocked := p.start(s.patient(), transport.Envelope{Shard: 5, Type: "Block", Data: []byte("late")})
	receive(s, "the blocked handler", entered)
	for range 10 {
		p.want(transport.Envelope{Shard: 5, Type: "Echo", Data: []byte("now")}, "now")
	}
	hold.open()
	if r := receive(s, "the blocked reply", blocked); r.err != nil || string(r.data) != "late" {
		s.Fatalf("reply %q, %v", r.data, r.err)
	}
}

func testShardsApart(s *suite) {
	p := s.pair(transport.Limits{})
	for shard := range uint32(20) {
		p.serve(shard, func(_ context.Context, env transport.Envelope) ([]byte, error) {
			if env.Shard != int(shard) {
				s.Errorf("shard %d got a message for %d", shard, env.Shard)
			}
			return []byte{byte(shard)}, nil
		})
	}
	for shard := range 20 {
		p.want(transport.Envelope{Shard: shard, Type: "Which"}, string([]byte{byte(shard)}))
	}
}

func testLargePayloads(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Grow" {
			return make([]byte, s.h.Features.MaxPayload), nil
		}
		return env.Data, nil
	})
	limit := s.h.Features.MaxPayload
	if limit == 0 {
		big := strings.Repeat("x", 4<<20)
		p.want(transport.Envelope{Type: "Echo", Data: []byte(big)}, big)
		return
	}
	big := strings.Repeat("x", limit/2)
	p.want(transport.Envelope{Type: "Echo", Data: []byte(big)}, big)
	_, err := p.request(transport.Envelope{Type: "Echo", Data: make([]byte, limit)})
	s.failed(err, outcome.ErrTooLarge, outcome.NotSent)
	_, err = p.request(transport.Envelope{Type: "Grow"})
	s.failed(err, outcome.ErrReplyTooLarge, outcome.RanAndFailed)
	p.want(transport.Envelope{Type: "Echo", Data: []byte("on")}, "on")
}
