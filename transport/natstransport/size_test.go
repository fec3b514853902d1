package natstransport_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// The limit is the server's, and what is over it never leaves.
func TestServersLimit(t *testing.T) {
	const most = 4 << 10
	url := testkit.StartNATSServer(t, &server.Options{MaxPayload: most}).URL()
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		ran.Add(1)
		return env.Data, nil
	})
	fits, over := 0, 0
	for size := most - 200; size <= most+10; size++ {
		env := transport.Envelope{Type: "Echo", Data: bytes.Repeat([]byte("x"), size)}
		switch reply, err := client.Request(patient(t), env); {
		case err == nil && len(reply) == size:
			fits++
		default:
			failed(t, err, outcome.ErrTooLarge, outcome.NotSent)
			over++
		}
	}
	if fits < 100 || over < 10 || int(ran.Load()) != fits {
		t.Errorf("%d fit, %d were too large, %d ran", fits, over, ran.Load())
	}
	for name, env := range map[string]transport.Envelope{
		"headers": {Headers: map[string]string{"h": strings.Repeat("v", most)}},
		"key":     {Key: strings.Repeat("k", most)},
		"huge":    {Data: make([]byte, 16<<20)},
	} {
		env.Type = name
		for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			env.Delivery = d
			refused(t, client, env, outcome.ErrTooLarge, outcome.NotSent)
		}
	}
	want(t, client, transport.Envelope{Type: "Echo", Data: []byte("on")}, "on")
}

// The error names what the payload may have, which is less than the message: a
// payload of that size passes.
func TestLimitIsNamed(t *testing.T) {
	const most = 64 << 10
	url := testkit.StartNATSServer(t, &server.Options{MaxPayload: most}).URL()
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.NumShards > 0 {
			return make([]byte, env.NumShards), nil
		}
		return nil, nil
	})
	number := regexp.MustCompile(`at most (\d+) fit into the 65536 of`)
	for name, env := range map[string]transport.Envelope{
		"payload": {}, "headers": {Headers: map[string]string{"h": strings.Repeat("v", 10_000)}}, "key": {Key: strings.Repeat("k", 1000)},
	} {
		for _, size := range []int{most - 10, most, 1 << 20} {
			env.Data = make([]byte, size)
			_, err := client.Request(patient(t), env)
			failed(t, err, outcome.ErrTooLarge, outcome.NotSent)
			m := number.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("%s of %d: %v", name, size, err)
			}
			allowed, _ := strconv.Atoi(m[1])
			env.Data = make([]byte, allowed)
			want(t, client, env, "")
			env.Data = make([]byte, allowed+4)
			refused(t, client, env, outcome.ErrTooLarge, outcome.NotSent)
		}
	}
	for _, size := range []uint32{most - 10, most, 1 << 20} {
		_, err := client.Request(patient(t), transport.Envelope{NumShards: size})
		failed(t, err, outcome.ErrReplyTooLarge, outcome.RanAndFailed)
		m := number.FindStringSubmatch(err.Error())
		if m == nil {
			t.Fatalf("reply of %d: %v", size, err)
		}
		allowed, _ := strconv.Atoi(m[1])
		if reply, err := client.Request(patient(t), transport.Envelope{NumShards: uint32(allowed)}); err != nil || len(reply) != allowed {
			t.Errorf("reply of %d: %d bytes, %v", allowed, len(reply), err)
		}
	}
	_, err := client.Request(patient(t), transport.Envelope{Headers: map[string]string{"h": strings.Repeat("v", most-10)}})
	failed(t, err, outcome.ErrTooLarge, outcome.NotSent)
	if !containsAny(err.Error(), "key, headers and type take") {
		t.Errorf("%v", err)
	}
}

var errBig = errors.New("natstransport_test: big")

func init() { outcome.RegisterError("natstransport_test.big", errBig) }

// bigError is the text of an error that no message holds.
type bigError struct{ error }

func (e bigError) Error() string { return strings.Repeat("e", 8<<10) }
func (e bigError) Unwrap() error { return e.error }

func TestRepliesOverTheLimit(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{MaxPayload: 4 << 10}).URL()
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Fail" {
			return nil, bigError{errBig}
		}
		return make([]byte, 4<<10), nil
	})
	refused(t, client, transport.Envelope{Type: "Grow"}, outcome.ErrReplyTooLarge, outcome.RanAndFailed)
	refused(t, client, transport.Envelope{Type: "Fail"}, errBig, outcome.RanAndFailed) // shortened, the same error
}

// A refusal that is too large to travel says all the same that nothing ran.
func TestRefusalsOverTheLimit(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{MaxPayload: 4 << 10}).URL()
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	_, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: refuser{outcome.Errorf(outcome.ErrActivationFailed, "no").WithCause(bigError{errBig})}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, client, transport.Envelope{Type: "Refuse"}, outcome.ErrActivationFailed, outcome.NotStarted)
}

type refuser struct{ err *outcome.Error }

// Accept implements dispatch.Receiver.
func (r refuser) Accept(c *dispatch.Call) { c.Refuse(r.err) }

// Text that is not UTF-8 grows on the wire: replies that share a message must fit
// it all the same.
func TestErrorTextGrows(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{MaxPayload: 8 << 10}).URL()
	node := connect(t, natstransport.Options{URL: url, MaxConcurrentHandlers: -1})
	client := connect(t, natstransport.Options{URL: url})
	text := errors.New(strings.Repeat("a\xff", 700))
	const calls = 64
	for range 10 {
		var arrived sync.WaitGroup
		arrived.Add(calls)
		sub := serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) {
			arrived.Done()
			arrived.Wait() // all answer at once
			return nil, text
		})
		var all []<-chan result
		for range calls {
			all = append(all, start(patient(t), client, transport.Envelope{Type: "Fail"}))
		}
		for _, call := range all {
			if err := receive(t, "an error", call).err; outcome.Of(err) != outcome.RanAndFailed {
				t.Fatalf("%.100v (%v)", err, outcome.Of(err))
			}
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}
