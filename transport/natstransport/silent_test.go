package natstransport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Who is succeeded while it does not answer is found out even if the announcement
// is lost: a call whose time is up has the nodes asked.
func TestSilentOwnerIsSucceeded(t *testing.T) {
	for _, byTTL := range []bool{false, true} {
		url, node, client, r := realm(t, 4)
		r.say(1, 3, "still")
		nc := dial(t, url)
		if _, err := nc.SubscribeSync("clstr.n.still.*"); err != nil { // a process that stands still
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client listens", func() bool { // after one call, unless its time is up before it is sent
			ctx, cancel := context.WithTimeout(patient(t), 20*time.Millisecond)
			defer cancel()
			if _, err := client.Request(ctx, transport.Envelope{Shard: 1, Type: "Who"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			return client.Hears()
		})
		client.Deafen()
		own(t, node, r, 1, 4, says("new"))
		eventually(t, "the new owner is known", func() bool { // at once, but for a call whose time is up before it is sent
			client.MayAsk()
			env, ctx := transport.Envelope{Shard: 1, Type: "Who"}, patient(t)
			if byTTL {
				env.TTLMs = 20
			} else {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
			}
			_, err := client.Request(ctx, env)
			return err == nil || client.Epoch(1) == 4
		})
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "new")
	}
}

// TestSilentNodeUnderLoad: a client finds out that a node is silent even if the client's reader always has more to read.
func TestSilentNodeUnderLoad(t *testing.T) {
	url, _, client, r := realm(t, 2)
	r.say(1, 1, "still")
	nc := dial(t, url)
	if _, err := nc.SubscribeSync("clstr.n.still.*"); err != nil { // a process that stands still
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who"})
	eventually(t, "the call is sent", func() bool { return client.OpenCalls() > 0 })
	for {
		read := client.HoldReader()
		err := nc.Publish(client.Subjects()[0], nil)
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		client.HasCome(patient(t))
		client.Pulses(1, 1)
		read()
		select {
		case got := <-call:
			failed(t, got.err, outcome.ErrConnectionLost, outcome.MaybeRan)
			return
		default:
		}
	}
}
