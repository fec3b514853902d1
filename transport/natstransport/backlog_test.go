package natstransport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// crowd is a node whose reader stands still while requests come, each in a
// message with a notification. It counts the notifications.
func crowd(t *testing.T, backlog, requests int, log *slog.Logger, before func(url string)) (node *natstransport.Transport, sub *nats.Subscription, notes *atomic.Int32, release func()) {
	t.Helper()
	url := testkit.StartNATS(t)
	node, err := natstransport.OpenWithBacklog(natstransport.Options{URL: url, Log: log}, backlog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	notes = new(atomic.Int32)
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Note" {
			notes.Add(1)
		}
		return nil, nil
	})
	nc := dial(t, url)
	inbox := nats.NewInbox()
	if sub, err = nc.SubscribeSync(inbox + ".*"); err != nil {
		t.Fatal(err)
	}
	subject := at(t, nc, 0)
	before(url)
	release = sync.OnceFunc(node.HoldReader())
	t.Cleanup(release)
	for id := uint64(1); id <= uint64(requests); id++ {
		b := wire.AppendEnvelope(nil, &transport.Envelope{Type: "Echo"}, 0, nil, 0)
		b = wire.AppendEnvelope(b, &transport.Envelope{Type: "Note", Delivery: transport.AwaitNothing}, 0, nil, 0)
		if err := nc.PublishRequest(subject, fmt.Sprintf("%s.%d-2", inbox, id), wire.AppendEnd(b, 2*id)); err != nil {
			t.Fatal(err)
		}
	}
	return node, sub, notes, release
}

// A node whose reader falls behind refuses what it will not get to, before
// anything is lost.
func TestCrowdedReaderRefuses(t *testing.T) {
	const backlog, requests = 64, 60
	node, sub, notes, release := crowd(t, backlog, requests, silent, func(string) {})
	eventually(t, "the requests wait", func() bool { return node.Backlog() >= requests-1 }) // the reader has one
	release()
	var d wire.Decoder
	var p wire.Packet
	answered := map[uint64]bool{}
	ran, overloaded := 0, 0
	for len(answered) < requests {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Replies {
			if answered[r.ID] {
				t.Errorf("request %d was answered twice", r.ID)
			}
			if answered[r.ID] = true; r.ID%2 != 0 {
				t.Errorf("notification %d was answered", r.ID)
			}
			if r.Err == nil {
				ran++
				continue
			}
			overloaded++
			failed(t, outcome.Resolve(r.Err), outcome.ErrOverloaded, outcome.NotStarted)
			if after, ok := outcome.RetryAfter(r.Err); !ok || after <= 0 {
				t.Error("no hint when to try again")
			}
		}
	}
	if overloaded < requests-1-backlog/2 || ran < backlog/2 {
		t.Errorf("%d ran, %d were refused", ran, overloaded)
	}
	eventually(t, "nobody can be told that a notification was refused: they run", func() bool { return notes.Load() == requests })
}

// It goes by bytes as well as by messages: where there is no room for more,
// notifications are refused too, which the log tells.
func TestCrowdedReaderRefusesBytes(t *testing.T) {
	const requests, size = 400, 16 << 10
	url := testkit.StartNATS(t)
	var buf lockedBuffer
	node := connect(t, natstransport.Options{
		URL: url, AlwaysOverNATS: true, MaxBufferedBytes: requests * size / 2, MaxPending: -1, Log: slog.New(slog.NewTextHandler(&buf, nil)),
	})
	ran := make(chan string, requests)
	if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, url)
	release := sync.OnceFunc(node.HoldReader())
	t.Cleanup(release)
	for id := range uint64(requests) {
		env := transport.Envelope{Shard: 7, Type: "Ask", Data: make([]byte, size)}
		reply := a.inbox + "." + strconv.FormatUint(id+1, 36) + "-1"
		if id%2 == 1 {
			env.Type, env.Delivery = "Note", transport.AwaitNothing
			reply += "-1"
		}
		if err := a.nc.PublishRequest(a.to, reply, wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0, nil, 0), id+1)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the requests wait", func() bool { return node.Backlog() >= requests-1 }) // the reader has one
	release()
	replies := a.replies(requests / 2)
	refusals := 0
	for _, err := range replies {
		if err != nil {
			refusals++
			failed(t, err, outcome.ErrOverloaded, outcome.NotStarted)
		}
	}
	// All was too much; a half was crowded; a quarter was neither.
	if want := requests / 2 * 3 / 4; refusals < want-2 || refusals > want+2 {
		t.Errorf("%d requests were refused, want %d", refusals, want)
	}
	want(t, node, transport.Envelope{Shard: 7, Type: "Last"}, "")
	notes := 0
	for receive(t, "a name", ran) != "Last" {
		notes++
	}
	notes -= requests/2 - refusals
	if want := requests / 2 / 2; notes < want-2 || notes > want+2 {
		t.Errorf("%d notifications have run, want %d", notes, want)
	}
	if !strings.Contains(buf.String(), "message is refused") {
		t.Errorf("the log: %s", buf.String())
	}
}

// Where even that is too late, messages are dropped: that is logged, and their
// senders learn at their deadline that it is not known whether they ran.
func TestDroppedMessagesAreLogged(t *testing.T) {
	var buf lockedBuffer
	var client *natstransport.Transport
	node, _, _, release := crowd(t, 8, 100, slog.New(slog.NewTextHandler(&buf, nil)), func(url string) {
		client = connect(t, natstransport.Options{URL: url})
		want(t, client, transport.Envelope{Type: "Echo"}, "")
	})
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	eventually(t, "the backlog is full", func() bool { return node.Backlog() == 8 })
	call := start(ctx, client, transport.Envelope{Type: "Echo"})
	eventually(t, "it is sent", func() bool { return client.OpenCalls() == 1 })
	cancel()
	failed(t, receive(t, "the call", call).err, context.Canceled, outcome.MaybeRan)
	release()
	eventually(t, "the log tells", func() bool {
		return strings.Contains(buf.String(), "messages were dropped") && strings.Contains(buf.String(), "clstr.n.")
	})
	eventually(t, "the node goes on", func() bool {
		try, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond) // this one may be dropped too
		defer cancel()
		_, err := client.Request(try, transport.Envelope{Type: "Echo"})
		return err == nil
	})
}

// lockedBuffer is a buffer that a logger writes to while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestFullReaderDoesNotDecode: a reader for which more waits than there is room for
// refuses a message by its reply subject. To decode what it refuses would keep it behind.
func TestFullReaderDoesNotDecode(t *testing.T) {
	const requests, size = 200, 16 << 10
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true, MaxBufferedBytes: requests * size / 2, Log: silent})
	if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: names(make(chan string, requests))}); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, url)
	release := sync.OnceFunc(node.HoldReader())
	t.Cleanup(release)
	for id := range uint64(requests) { // none of them can be decoded
		if err := a.nc.PublishRequest(a.to, a.inbox+"."+strconv.FormatUint(id+1, 36)+"-1", bytes.Repeat([]byte{0xff}, size)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the requests wait", func() bool { return node.Backlog() >= requests-1 })
	release()
	refused, undecodable := 0, 0
	for _, err := range a.replies(requests) {
		switch {
		case errors.Is(err, outcome.ErrOverloaded):
			refused++
		case errors.Is(err, outcome.ErrBadEnvelope):
			undecodable++
		default:
			t.Error(err)
		}
	}
	if refused < requests/3 || undecodable < requests/3 {
		t.Errorf("%d were refused unread, %d could not be decoded", refused, undecodable)
	}
}
