package natstransport_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// flooded is a node that finds n messages when its reader goes on. It has read them at the end.
func flooded(t *testing.T, node *natstransport.Transport, nc *nats.Conn, subject string, n int, data []byte) {
	t.Helper()
	release := sync.OnceFunc(node.HoldReader())
	t.Cleanup(release)
	for range n {
		if err := nc.PublishRequest(subject, "_INBOX.flood.1-35s", data); err != nil { // 4,096 calls
			t.Fatal(err)
		}
	}
	if err := nc.FlushWithContext(patient(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the messages wait", func() bool { return node.Backlog() >= n })
	release()
	node.Sync(patient(t))
}

// TestRefusalsLeaveRoom: a client sends packets that do not decode, each in the name of many calls. Their refusals, which
// nobody takes, leave room for the reply to another caller.
func TestRefusalsLeaveRoom(t *testing.T) {
	const room, reply = 1 << 20, 100 << 10
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, MaxBufferedBytes: room, Log: silent})
	serve(t, node, 0, func(context.Context, transport.Envelope) ([]byte, error) { return make([]byte, reply), nil })
	client := connect(t, natstransport.Options{URL: url})
	if data, err := client.Request(patient(t), transport.Envelope{Type: "First"}); err != nil || len(data) != reply {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	nc := dial(t, url)
	subject := at(t, nc, 0)
	release := sync.OnceFunc(node.HoldFlusher())
	t.Cleanup(release)
	flooded(t, node, nc, subject, 200, bytes.Repeat([]byte{0xff}, 8<<10))
	if n := node.ReplyRoom(); n > room/2 {
		t.Errorf("%d bytes of refusals wait, and there is room for %d", n, room)
	}
	call := start(patient(t), client, transport.Envelope{Type: "Second"})
	eventually(t, "its reply waits", func() bool { return node.ReplyRoom() > reply })
	release()
	if r := receive(t, "the reply", call); r.err != nil || len(r.data) != reply {
		t.Errorf("%d bytes, %v", len(r.data), r.err)
	}
}

// TestTinyEnvelopesCountAsMore: packets of envelopes of a few bytes wait for the reader. They count as more than their bytes,
// so the reader is not busy with them for long.
func TestTinyEnvelopesCountAsMore(t *testing.T) {
	const room, each, packets = 2 << 20, wire.MaxItems, 40
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, MaxBufferedBytes: room, MaxPending: -1, Log: silent})
	serve(t, node, 0, echo)
	var b []byte
	for range each {
		b = wire.AppendEnvelope(b, &transport.Envelope{Type: "T", Delivery: transport.AwaitNothing}, 0, nil, 0)
	}
	b = wire.AppendEnd(b, 1)
	if packets*len(b) > room*6/10 {
		t.Fatalf("%d bytes", packets*len(b)) // else they would be refused for their bytes
	}
	nc := dial(t, url)
	flooded(t, node, nc, at(t, nc, 0), packets, b)
	if _, refused := node.PacketCounts(); refused < packets/4 {
		t.Errorf("%d of %d packets were refused", refused, packets)
	}
}
