package natstransport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// provocations are ways to have every line logged that there is, each by a transport
// of its own where there is only one a second, and every error of this package
// that a payload or a header has to do with.
var provocations = []provocation{
	{"messages to a shard that do not decode", []string{"message is refused: it does not decode"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo)
		a := newAsker(t, url)
		good := packet(secret(transport.Envelope{Shard: 7, Type: "Echo", Key: "k"}))
		post(t, a.nc, a.to, a.inbox+".1-1", loud(1000)) // the one that is logged
		for i := range good {                           // what is cut off, and what is wrong, anywhere
			post(t, a.nc, a.to, a.inbox+".1-1", good[:i])
			bad := append([]byte(nil), good...)
			bad[i] ^= 0x87
			post(t, a.nc, a.to, a.inbox+".1-1", bad)
		}
		post(t, a.nc, a.to, a.inbox+".1-1", wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 7}, 0, nil, 0), 99))
		var d wire.Decoder
		for last := false; !last; {
			m, err := a.sub.NextMsg(patience)
			if err != nil {
				t.Fatal(err)
			}
			var p wire.Packet
			if err := d.Decode(m.Data, &p); err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Replies {
				if r.Err != nil {
					w.fails(r.Err)
				}
				last = last || r.ID == 99
			}
		}
		if len(w.errs) < len(good) {
			t.Errorf("%d errors", len(w.errs))
		}
	}},
	{"envelopes that nobody may send", []string{"notification is refused"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo)
		a := newAsker(t, url)
		reserved := note()
		reserved.Headers = map[string]string{"x-clstr-key": string(loud(40))}
		post(t, a.nc, a.to, "", packet(reserved))
		elsewhere, long, many := note(), note(), note()
		elsewhere.Shard, long.Headers = 8, map[string]string{"token": string(loud(bounds.MaxHeaderBytes))}
		for i := range bounds.MaxHeaders {
			many.Headers[fmt.Sprint("h", i)] = string(loud(8))
		}
		for _, env := range []transport.Envelope{reserved, elsewhere, long, many} {
			env.Delivery = transport.AwaitReply
			replies, _ := a.ask(packet(env), 1)
			for _, err := range replies {
				w.fails(err)
			}
		}
		w.logs("cannot set reserved header")
	}},
	{"a notification to a full shard", []string{"notification is refused"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		node := w.connect(natstransport.Options{URL: url, MaxPending: 1})
		entered, gate := make(chan struct{}, 1), make(chan struct{})
		t.Cleanup(func() { close(gate) })
		serve(t, node, 7, func(context.Context, transport.Envelope) ([]byte, error) {
			entered <- struct{}{}
			<-gate
			return nil, nil
		})
		nc := dial(t, url)
		subject := at(t, nc, 7)
		post(t, nc, subject, "", packet(note()))
		receive(t, "the handler", entered)
		post(t, nc, subject, "", packet(note()))
		w.logs(outcome.ErrOverloaded.Error())
		w.refused(node, secret(transport.Envelope{Shard: 7, Type: "Ask"}), "overloaded")
	}},
	{"a reply to what is no inbox", []string{"message is ignored: its reply subject is no inbox"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo)
		nc := dial(t, url)
		post(t, nc, at(t, nc, 7), "orders", packet(secret(transport.Envelope{Shard: 7})))
	}},
	{"a notification for a shard that is elsewhere", []string{"notification is refused"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo)
		nc, env := dial(t, url), note()
		env.Shard = 8
		post(t, nc, at(t, nc, 7), "", packet(env))
	}},
	{"two nodes with one shard", []string{"two nodes serve a shard by fixed lists: the lists must not overlap"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		pretend(t, dial(t, url), 7, 1, nil)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo) // it asks, and hears of the other
		w.logs("two nodes serve")
	}},
	{"a request that names no inbox", []string{"request is ignored: it has no reply subject"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 7, echo)
		nc := dial(t, url)
		post(t, nc, at(t, nc, 7), "", packet(secret(transport.Envelope{Shard: 7})))
	}},
	{"replies that are none, and for nobody", []string{"reply does not decode: its call may have run"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		nc := dial(t, url)
		pretend(t, nc, 7, 1, func(m *nats.Msg) {
			b := wire.AppendReply(nil, 1<<40, loud(40), nil)
			_ = nc.Publish(m.Reply, wire.AppendEnd(wire.AppendReply(b, 1<<41, nil, outcome.Errorf(outcome.ErrDraining, "%s", loud(40))), 0))
			_ = nc.Publish(m.Reply, append(wire.AppendReply(nil, 1, loud(40), nil), loud(40)...))
		})
		w.refused(w.connect(natstransport.Options{URL: url}), secret(transport.Envelope{Shard: 7, Type: "Ask"}), "reply")
	}},
	{"a reply that finds no room", []string{"reply is dropped"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		node := w.connect(natstransport.Options{URL: url, MaxBufferedBytes: 1})
		serve(t, node, 7, echo)
		a := newAsker(t, url)
		release := sync.OnceFunc(node.HoldFlusher())
		t.Cleanup(release)
		for range 2 { // the first is one that always has room
			post(t, a.nc, a.to, a.inbox+".1-1", packet(secret(transport.Envelope{Shard: 7})))
			eventually(t, "a reply waits", func() bool { return node.FlusherWaits() > 0 })
		}
	}},
	{"more than the server's limit", nil, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATSServer(t, &server.Options{MaxPayload: 4 << 10}).URL()
		tr := w.connect(natstransport.Options{URL: url, MaxBufferedBytes: 8 << 10})
		serve(t, tr, 7, func(context.Context, transport.Envelope) ([]byte, error) { return loud(8 << 10), nil })
		w.refused(tr, secret(transport.Envelope{Shard: 7, Type: "Grow"}), "reply_too_large")
		large := secret(transport.Envelope{Shard: 7, Type: "Large"})
		large.Data = loud(8 << 10)
		w.refused(tr, large, "too_large")
		large.Data, large.Headers["more"] = nil, string(loud(8<<10))
		w.refused(tr, large, "too_large")
		release := tr.HoldShard(7)
		defer release()
		expired, full := secret(transport.Envelope{Shard: 7, TTLMs: 1}), note()
		w.refused(tr, expired, "expired")
		full.Data = loud(3 << 10)
		for len(w.errs) < 5 {
			if _, err := tr.Request(patient(t), full); err != nil {
				w.fails(err)
			}
		}
	}},
	{"notifications to nobody", []string{"notifications have reached no node"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		tr, gone := w.connect(natstransport.Options{URL: url}), w.connect(natstransport.Options{URL: url})
		serve(t, gone, 7, echo)
		want(t, tr, secret(transport.Envelope{Shard: 7}), string(loud(40)))
		if err := gone.Close(); err != nil {
			t.Error(err)
		}
		if _, err := tr.Request(patient(t), note()); err != nil {
			t.Error(err)
		}
		w.refused(tr, secret(transport.Envelope{Shard: 7, Type: "Ask"}), "no_subscriber")
	}},
	{"a server that restarts", []string{"NATS connection: lost, calls to and from other processes wait or fail", "NATS connection: connected again, calls go on"}, func(t *testing.T, w *secretWatch) {
		srv := testkit.StartNATSServer(t, nil)
		tr := w.connect(natstransport.Options{URL: srv.URL(), NATSOptions: soon()})
		entered, gate := make(chan struct{}, 1), make(chan struct{})
		t.Cleanup(func() { close(gate) })
		serve(t, tr, 7, func(context.Context, transport.Envelope) ([]byte, error) {
			entered <- struct{}{}
			<-gate
			return loud(40), nil
		})
		call := start(patient(t), tr, secret(transport.Envelope{Shard: 7, Type: "Hold"}))
		receive(t, "the handler", entered)
		srv.Stop()
		w.fails(receive(t, "the call on its way", call).err)
		w.refused(tr, secret(transport.Envelope{Shard: 7, Type: "Down"}), "disconnected")
		srv.Restart()
		w.logs("status=CONNECTED")
	}},
	{"a connection that ends", []string{"NATS connection has ended for good", "replies were not sent", "message was not sent"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		nc := dial(t, url)
		node, client := w.connect(natstransport.Options{Conn: nc}), w.connect(natstransport.Options{URL: url})
		entered, gate := make(chan struct{}, 1), make(chan struct{})
		serve(t, node, 7, func(context.Context, transport.Envelope) ([]byte, error) {
			entered <- struct{}{}
			<-gate
			return loud(40), nil
		})
		ctx, cancel := context.WithCancel(patient(t))
		call := start(ctx, client, secret(transport.Envelope{Shard: 7, Type: "Hold"}))
		receive(t, "the handler", entered)
		release := node.HoldFlusher()
		own(t, node, &records{epochs: make([]uint64, 9)}, 8, 1, echo)
		nc.Close()
		receive(t, "the end", node.Broken())
		release()
		close(gate)
		w.refused(node, secret(transport.Envelope{Shard: 7, Type: "After"}), "transport_closed")
		w.logs("replies were not sent")
		cancel()
		w.fails(receive(t, "the call on its way", call).err)
	}},
	{"a network that hangs", []string{"NATS connection: the data that waited to be written is lost"}, func(t *testing.T, w *secretWatch) {
		tr := w.connect(natstransport.Options{URL: testkit.StartNATS(t)})
		w.refused(tr, secret(transport.Envelope{Shard: 7, Type: "Ask"}), "no_subscriber")
		tr.Report(&net.OpError{Op: "write", Err: os.ErrDeadlineExceeded}) // TestHungNetwork has a real one
	}},
	{"a reader that falls behind", []string{"messages were dropped: they arrived faster than one processor takes them"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		node, err := natstransport.OpenWithBacklog(natstransport.Options{URL: url, Log: w.logger()}, 4)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = node.Close() })
		serve(t, node, 7, echo)
		a := newAsker(t, url)
		release := sync.OnceFunc(node.HoldReader())
		t.Cleanup(release)
		for range 20 {
			post(t, a.nc, a.to, a.inbox+".1-1", packet(secret(transport.Envelope{Shard: 7})))
		}
		eventually(t, "the backlog is full", func() bool { return node.Backlog() == 4 })
		release()
	}},
	{"a reader without room", []string{"message is refused"}, func(t *testing.T, w *secretWatch) {
		const messages = 20
		url := testkit.StartNATS(t)
		node := w.connect(natstransport.Options{URL: url, MaxBufferedBytes: 4 << 10})
		serve(t, node, 7, echo)
		nc := dial(t, url)
		subject := at(t, nc, 7)
		release := sync.OnceFunc(node.HoldReader())
		t.Cleanup(release)
		for range messages {
			post(t, nc, subject, "_INBOX.x.1-1", loud(4000))
		}
		eventually(t, "the messages wait", func() bool { return node.Backlog() >= messages-1 }) // the reader has one
		release()
	}},
	{"a reader that is ended", []string{"the application's code has ended the connection's reader: another reader goes on"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		node, client := w.connect(natstransport.Options{URL: url}), w.connect(natstransport.Options{URL: url})
		if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: exits{}}); err != nil {
			t.Fatal(err)
		}
		w.refused(client, secret(transport.Envelope{Shard: 7, Type: "Exit"}), "draining")
		want(t, client, secret(transport.Envelope{Shard: 7}), string(loud(40)))
	}},
	{"an error of any kind", []string{"NATS reports an error"}, func(t *testing.T, w *secretWatch) {
		tr := w.connect(natstransport.Options{URL: testkit.StartNATS(t)})
		serve(t, tr, 7, echo)
		want(t, tr, secret(transport.Envelope{Shard: 7}), string(loud(40)))
		tr.Report(errors.New("odd"))
	}},
	{"too many subscriptions", []string{"the server refuses subscriptions"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATSServer(t, &server.Options{MaxSubs: 3}).URL()
		tr := w.connect(natstransport.Options{URL: url})
		_, err := tr.SubscribeShard(patient(t), 8, echo)
		w.fails(err)
	}},
	{"answers that are none", []string{"answer about owners is ignored"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		nc := dial(t, url)
		answer(t, nc, "clstr.who", func(m *nats.Msg) { _ = m.Respond(loud(400)) })
		w.refused(w.connect(natstransport.Options{URL: url}), secret(transport.Envelope{Shard: 7, Type: "Ask"}), "not_owner")
	}},
	{"announcements that are none", []string{"announcement of an owner is ignored: it does not decode"}, func(t *testing.T, w *secretWatch) {
		url, _, client := w.realm()
		w.refused(client, secret(transport.Envelope{Shard: 7, Type: "Ask"}), "not_owner")
		eventually(t, "the client listens", client.Hears)
		post(t, dial(t, url), "clstr.own", "", loud(400))
	}},
	{"a question from no inbox", []string{"question for owners is ignored: its reply subject is no inbox"}, func(t *testing.T, w *secretWatch) {
		url, _, _ := w.realm()
		post(t, dial(t, url), "clstr.who", "orders", loud(400))
	}},
	{"a question that is none", []string{"question for owners is ignored: it does not decode"}, func(t *testing.T, w *secretWatch) {
		url, _, _ := w.realm()
		post(t, dial(t, url), "clstr.who", "_INBOX.x.1", loud(400))
	}},
	{"too many questions", []string{"question for owners is ignored: too many wait for an answer"}, func(t *testing.T, w *secretWatch) {
		url, node, _ := w.realm()
		release := sync.OnceFunc(node.HoldFlusher())
		t.Cleanup(release)
		nc := dial(t, url)
		question := append(wire.AppendOwners(nil, &wire.Owners{}), 0x7a, 40) // a field of a later format
		for range 100 {
			post(t, nc, "clstr.who", "_INBOX.x.1", append(question, loud(40)...))
		}
	}},
	{"what the server does not permit", []string{
		"not permitted by the server",
		"not permitted to ask for the owners of shards: no node can be reached",
		"not permitted to hear of new owners: a new owner is found when the old one refuses",
		"not permitted to announce new owners: clients find a new owner when the old one refuses",
	}, func(t *testing.T, w *secretWatch) {
		url := guarded(t)
		as := func(user string) *natstransport.Transport {
			return w.connect(natstransport.Options{URL: url, NATSOptions: []nats.Option{nats.UserInfo(user, "p")}})
		}
		node, r := as("node"), &records{epochs: make([]uint64, 9)}
		if _, err := node.Backend().ServeOwners(patient(t), r); err != nil {
			t.Fatal(err)
		}
		own(t, node, r, 7, 3, echo)
		own(t, as("silent"), r, 8, 4, echo)
		ask := secret(transport.Envelope{Shard: 7, Type: "Ask"})
		want(t, as("deaf"), ask, string(loud(40)))
		w.refused(as("shy"), ask, "not_permitted")
		w.refused(node, ask, "not_permitted")
		_, err := as("client").SubscribeShard(patient(t), 7, echo)
		w.fails(err)
	}},
}
