// Which side owns which slice, until when

package transporttest

import (
	"bytes"
	"context"
	"maps"
	"sync"

	"github.com/clstr-go/clstr/transport"
)

var ownershipTests = []test{
	{"the caller reuses its slices", testCallerReuses},
	{"the handler keeps its envelope", testHandlerKeeps},
	{"the handler keeps its reply", testReplyStays},
	{"the caller keeps its reply", testCallerKeeps},
}

// testCallerReuses changes payload and headers as soon as the call has returned, before
// the handler has looked at them.
func testCallerReuses(s *suite) {
	p := s.pair(transport.Limits{})
	hold, got := s.gate(), make(chan transport.Envelope, 2)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		<-hold.c
		got <- env
		return nil, nil
	})
	payload, headers := []byte("as it was"), map[string]string{"h": "as it was"}
	for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
		env := transport.Envelope{Type: "Lend", Data: payload, Headers: headers, Delivery: delivery}
		if _, err := p.request(env); err != nil {
			s.Fatal(err)
		}
		copy(payload, "reused   ")
		headers["h"], headers["other"] = "reused", ""
		copy(payload, "as it was")
		headers["h"] = "as it was"
		delete(headers, "other")
	}
	clear(payload)
	clear(headers)
	hold.open()
	for range cap(got) {
		env := receive(s, "the handler", got)
		if string(env.Data) != "as it was" || !maps.Equal(env.Headers, map[string]string{"h": "as it was"}) {
			s.Errorf("the handler got %q, %q", env.Data, env.Headers)
		}
	}
}

func testHandlerKeeps(s *suite) {
	p := s.pair(transport.Limits{})
	var mu sync.Mutex
	var kept []transport.Envelope
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		mu.Lock()
		kept = append(kept, env)
		mu.Unlock()
		env.Headers["h"], env.Headers["added"] = "changed", ""
		for i := range env.Data {
			env.Data[i]++
		}
		_ = append(env.Data, "more"...)
		return nil, nil
	})
	payload, headers := []byte{1, 2, 3, 0, 0, 0, 0}[:3], map[string]string{"h": "mine"}
	for range 50 {
		p.want(transport.Envelope{Type: "Keep", Data: payload, Headers: headers}, "")
	}
	if !bytes.Equal(payload[:7], []byte{1, 2, 3, 0, 0, 0, 0}) || !maps.Equal(headers, map[string]string{"h": "mine"}) {
		s.Errorf("the handler has changed its caller's payload or headers: %v, %q", payload[:7], headers)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, env := range kept {
		if !bytes.Equal(env.Data, []byte{2, 3, 4}) || env.Headers["h"] != "changed" {
			s.Fatalf("a kept envelope has changed: %v, %q", env.Data, env.Headers)
		}
	}
}

// testReplyStays returns the same slice for every call, and changes it between calls.
func testReplyStays(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	state := make([]byte, 8, 64)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		for i := range state {
			state[i] = env.Data[0]
		}
		return state, nil
	})
	var replies [100][]byte
	for i := range replies {
		reply, err := p.request(transport.Envelope{Type: "State", Data: []byte{byte(i)}})
		if err != nil {
			s.Fatal(err)
		}
		replies[i] = reply
	}
	for i, reply := range replies {
		if !bytes.Equal(reply, bytes.Repeat([]byte{byte(i)}, len(state))) {
			s.Fatalf("reply %d has changed: %v", i, reply)
		}
	}
}

// testCallerKeeps writes into replies, and behind their end.
func testCallerKeeps(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	state := []byte("state")
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if string(state) != "state" {
			s.Errorf("a caller has changed the handler's state: %q", state)
		}
		return state[:len(env.Data)], nil
	})
	for length := range len(state) + 1 {
		reply, err := p.request(transport.Envelope{Type: "State", Data: make([]byte, length)})
		if err != nil || string(reply) != "state"[:length] {
			s.Fatalf("reply %q, %v", reply, err)
		}
		reply = append(reply, "over"...)
		clear(reply)
	}
	p.want(transport.Envelope{Type: "State", Data: make([]byte, len(state))}, "state")
}
