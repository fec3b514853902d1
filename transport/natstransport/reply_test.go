package natstransport_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
	"github.com/clstr-go/clstr/transport/wire"
)

// A caller chooses the subject that a node answers to. Were it any subject, he
// could make the node write where he may not: into a KV bucket, to another shard.
func TestRepliesGoToInboxesOnly(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	serve(t, node, 7, echo)
	nc := dial(t, url)
	everything, err := nc.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	packet := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, 0), 1)
	sent := map[string]bool{}
	for _, reply := range []string{
		"$KV.bucket.key", "$JS.API.STREAM.DELETE.orders", "$SYS.x", "clstr.s.8.0", "clstr.s.7.0", "orders", "_INBOX", "_INBOXES.x", "inbox.x",
	} {
		for _, data := range [][]byte{packet, []byte("not a packet")} {
			if err := nc.PublishRequest("clstr.s.7.0", reply, data); err != nil {
				t.Fatal(err)
			}
		}
		sent[reply] = true
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, node, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("on")}, "on") // behind them all
	for {
		m, err := everything.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Reply != "": // a request
		case sent[m.Subject]:
			t.Errorf("the node has written %q to %s", m.Data, m.Subject)
		default:
			return // the answer to the request that came last
		}
	}
}

func TestBadBytesAreAnswered(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	serve(t, node, 7, echo)
	nc := dial(t, url)
	ask := func(data []byte) wire.Packet {
		t.Helper()
		m, err := nc.Request("clstr.s.7.0", data, patience)
		if err != nil {
			t.Fatal(err)
		}
		var d wire.Decoder
		var p wire.Packet
		if err := d.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	later := wire.AppendEnd(nil, 1)
	later[1]++ // of another version
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "another version": later} {
		p := ask(data)
		if len(p.Replies) != 1 {
			t.Fatalf("%s: %+v", name, p)
		}
		failed(t, p.Replies[0].Err, transport.ErrBadEnvelope, transport.NotStarted)
	}
	for name, env := range map[string]transport.Envelope{
		"another shard":   {Shard: 8},
		"reserved header": {Shard: 7, Headers: map[string]string{"X-Clstr-Key": "other"}},
		"type not UTF-8":  {Shard: 7, Type: "\xff"},
	} {
		p := ask(wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0), 5))
		if len(p.Replies) != 1 || p.Replies[0].ID != 5 {
			t.Fatalf("%s: %+v", name, p)
		}
		is := transport.ErrBadEnvelope
		if len(env.Headers) > 0 {
			is = transport.ErrReservedHeader
		}
		failed(t, p.Replies[0].Err, is, transport.NotStarted)
	}
	// Bad bytes that name several calls in their reply subject answer each.
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("clstr.s.7.0", inbox+".a-3", []byte("bad")); err != nil {
		t.Fatal(err)
	}
	ids := map[uint64]bool{}
	for len(ids) < 3 {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("answered: %v: %v", ids, err)
		}
		var d wire.Decoder
		var p wire.Packet
		if err := d.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Replies {
			ids[r.ID] = true
		}
	}
	if !ids[10] || !ids[11] || !ids[12] {
		t.Errorf("answered: %v, want 10 to 12", ids)
	}
}

// A reply that is no packet ends the calls that it is for.
func TestBadReplies(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	nc := dial(t, url)
	if _, err := nc.Subscribe("clstr.s.7.0", func(m *nats.Msg) { _ = m.Respond([]byte("hello")) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	refused(t, client, transport.Envelope{Shard: 7, Type: "Echo"}, transport.ErrReply, transport.MaybeRan)
}
