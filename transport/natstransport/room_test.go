package natstransport_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// What waits for a network that hangs is bounded in bytes, over all shards.
func TestBytesThatWaitAreBounded(t *testing.T) {
	const size, most = 128 << 10, 1 << 20
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url, MaxBufferedBytes: most})
	var releases []func()
	for shard := range uint32(4) { // a node has room for more
		serve(t, connect(t, natstransport.Options{URL: url}), shard, echo)
		releases = append(releases, client.HoldShard(shard))
	}
	for round := range 3 {
		sent := 0
		for {
			env := transport.Envelope{Shard: sent % 4, Type: "Fill", Data: make([]byte, size), Delivery: transport.AwaitNothing}
			_, err := client.Request(patient(t), env)
			if err != nil {
				failed(t, err, outcome.ErrOverloaded, outcome.NotSent)
				if after, ok := outcome.RetryAfter(err); !ok || after <= 0 {
					t.Error("no hint when to try again")
				}
				break
			}
			sent++
		}
		if sent != most/size-1 { // the envelopes have a few bytes more
			t.Errorf("round %d: %d messages have found room", round, sent)
		}
		for shard, release := range releases {
			release()
			want(t, client, transport.Envelope{Shard: shard, Type: "Echo", Data: []byte("x")}, "x")
			releases[shard] = client.HoldShard(uint32(shard))
		}
	}
	for _, release := range releases {
		release()
	}
}

// The same for replies: their handlers have run, and their callers are told.
func TestRepliesThatWaitAreBounded(t *testing.T) {
	const calls, size, most = 100, 256 << 10, 2 << 20
	url := testkit.StartNATS(t)
	p := startProxy(t, url)
	node := connect(t, natstransport.Options{URL: p.url(), AlwaysOverNATS: true, MaxBufferedBytes: most, NATSOptions: []nats.Option{never}})
	client := connect(t, natstransport.Options{URL: url})
	var ran atomic.Int32
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) {
		ran.Add(1)
		return make([]byte, size), nil
	})
	client.HoldShard(0)() // they know the owner
	node.HoldShard(0)()
	p.freeze()
	t.Cleanup(p.thaw) // before the transports are closed
	var all []<-chan result
	for range calls {
		all = append(all, start(patient(t), client, transport.Envelope{Type: "Grow"}))
	}
	eventually(t, "all handlers have run", func() bool { return ran.Load() == calls })
	if _, err := node.Request(patient(t), transport.Envelope{Delivery: transport.AwaitNothing}); err != nil {
		t.Errorf("requests have room of their own: %v", err)
	}
	p.thaw()
	refused := 0
	for _, call := range all {
		r := receive(t, "a reply", call)
		if r.err == nil && len(r.data) == size {
			continue
		}
		refused++
		failed(t, r.err, outcome.ErrOverloaded, outcome.RanAndFailed)
	}
	if refused == 0 || refused == calls {
		t.Errorf("%d of %d replies found no room", refused, calls)
	}
	if r := receive(t, "a reply", start(patient(t), client, transport.Envelope{Type: "Grow"})); r.err != nil {
		t.Errorf("after the thaw: %v", r.err)
	}
}

// Where there is no room for replies every caller is told so, because there is room
// for a word to each.
func TestRefusedReplyHasRoom(t *testing.T) {
	const calls, size, most = 100, 2000, 64 << 10
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, MaxBufferedBytes: most})
	client := connect(t, natstransport.Options{URL: url})
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) { return make([]byte, size), nil })
	client.HoldShard(0)() // it knows the owner
	release := sync.OnceFunc(node.HoldFlusher())
	t.Cleanup(release)
	var all []<-chan result
	for range calls {
		all = append(all, start(patient(t), client, transport.Envelope{Type: "Grow"}))
	}
	eventually(t, "words wait beyond the room for replies", func() bool { return node.ReplyRoom() > most+1000 })
	release()
	refused := 0
	for _, call := range all {
		if r := receive(t, "a reply", call); r.err != nil {
			failed(t, r.err, outcome.ErrOverloaded, outcome.RanAndFailed)
			refused++
		} else if len(r.data) != size {
			t.Errorf("a reply of %d bytes", len(r.data))
		}
	}
	if refused == 0 || refused == calls {
		t.Errorf("%d of %d replies found no room", refused, calls)
	}
}

// The room for small replies is as large as the other, and theirs alone.
func TestRoomForSmallReplies(t *testing.T) {
	const most, small = 64 << 10, natstransport.SmallReply
	node := connect(t, natstransport.Options{URL: testkit.StartNATS(t), MaxBufferedBytes: most})
	put := node.Stuck()
	fill := func(size int) (bytes int) {
		for put(size) {
			bytes += size
		}
		return bytes
	}
	if n := fill(small + 1); n > most || n < most-2*small {
		t.Errorf("%d bytes of large replies wait: %d may", n, most)
	}
	if n := fill(small); n > most+2*small || n < most-2*small {
		t.Errorf("%d bytes of small replies wait beside them: %d may", n, most)
	}
	if put(small+1) || node.ReplyRoom() > 2*most {
		t.Errorf("%d bytes wait in all: %d may", node.ReplyRoom(), 2*most)
	}
}
