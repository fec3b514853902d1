package natstransport_test

import (
	"errors"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// A caller chooses the subject that a node answers to. Were it any subject, he
// could make the node write where he may not: into a KV bucket, to another shard.
func TestRepliesGoToInboxesOnly(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
	serve(t, node, 7, echo)
	nc := dial(t, url)
	everything, err := nc.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	packet := wire.AppendEnd(wire.AppendEnvelope(nil, &transport.Envelope{Shard: 7, Type: "Echo", Data: []byte("x")}, 0, nil, 0), 1)
	sent, subject := map[string]bool{}, at(t, nc, 7)
	for _, reply := range []string{
		"$KV.bucket.key", "$JS.API.STREAM.DELETE.orders", "$SYS.x", "clstr.n.other._", subject, "orders", "_INBOX", "_INBOXES.x", "inbox.x",
		"_INBOX.N..x", "_INBOX.", "_INBOX.a.", "_INBOX.*", "_INBOX.>", "_INBOX.a.*.1-1",
	} {
		for _, data := range [][]byte{packet, []byte("not a packet")} {
			if err := nc.PublishRequest(subject, reply, data); err != nil {
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
	subject := at(t, nc, 7)
	ask := func(data []byte) wire.Packet {
		t.Helper()
		m, err := nc.Request(subject, data, patience)
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
		failed(t, outcome.Resolve(p.Replies[0].Err), outcome.ErrBadEnvelope, outcome.NotStarted)
	}
	for name, env := range map[string]transport.Envelope{
		"reserved header": {Shard: 7, Headers: map[string]string{"X-Clstr-Key": "other"}},
		"type not UTF-8":  {Shard: 7, Type: "\xff"},
	} {
		p := ask(wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0, nil, 0), 5))
		if len(p.Replies) != 1 || p.Replies[0].ID != 5 {
			t.Fatalf("%s: %+v", name, p)
		}
		is := outcome.ErrBadEnvelope
		if len(env.Headers) > 0 {
			is = outcome.ErrReservedHeader
		}
		failed(t, outcome.Resolve(p.Replies[0].Err), is, outcome.NotStarted)
	}
	// Bad bytes that name several calls in their reply subject answer each.
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(subject, inbox+".a-3", []byte("bad")); err != nil {
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

// asker sends a packet to shard 7 and takes the replies.
type asker struct {
	t     *testing.T
	nc    *nats.Conn
	inbox string
	sub   *nats.Subscription
	to    string // subject of the shard's owner

	messages int // that had replies
}

func newAsker(t *testing.T, url string) *asker {
	a := &asker{t: t, nc: dial(t, url), inbox: nats.NewInbox()}
	var err error
	if a.sub, err = a.nc.SubscribeSync(a.inbox + ".*"); err != nil {
		t.Fatal(err)
	}
	a.to = at(t, a.nc, 7)
	return a
}

// ask returns the first n replies by their ids, and in how many messages they came.
func (a *asker) ask(packet []byte, n int) (replies map[uint64]error, messages int) {
	a.t.Helper()
	if err := a.nc.PublishRequest(a.to, a.inbox+".1-1", packet); err != nil {
		a.t.Fatal(err)
	}
	before := a.messages
	replies = a.replies(n)
	return replies, a.messages - before
}

// replies takes n replies.
func (a *asker) replies(n int) map[uint64]error {
	a.t.Helper()
	var d wire.Decoder
	var p wire.Packet
	replies := map[uint64]error{}
	for ; len(replies) < n; a.messages++ {
		m, err := a.sub.NextMsg(patience)
		if err != nil {
			a.t.Fatalf("after %d replies: %v", len(replies), err)
		}
		if err := d.Decode(m.Data, &p); err != nil {
			a.t.Fatal(err)
		}
		for _, r := range p.Replies {
			if _, twice := replies[r.ID]; twice {
				a.t.Errorf("%d was answered twice", r.ID)
			}
			replies[r.ID] = nil
			if r.Err != nil {
				replies[r.ID] = outcome.Resolve(r.Err)
			}
		}
	}
	return replies
}

// Of a message with an envelope that no sender of ours sends, nothing behind it
// runs, and all is answered in few messages.
func TestBadEnvelopeEndsItsMessage(t *testing.T) {
	const items = 3000
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
	ran := make(chan string, items)
	if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, url)
	packet := wire.AppendEnvelope(nil, &transport.Envelope{Shard: 7, Type: "First", Delivery: transport.AwaitNothing}, 0, nil, 0)
	packet = wire.AppendEnvelope(packet, &transport.Envelope{Shard: 7, Type: "\xff"}, 0, nil, 0)
	for i := 2; i < items; i++ {
		packet = wire.AppendEnvelope(packet, &transport.Envelope{Shard: 7, Type: "Behind", Delivery: transport.Delivery(i % 3)}, 0, nil, 0)
	}
	awaited := items - items/3 - 1
	replies, messages := a.ask(wire.AppendEnd(packet, 100), awaited)
	if messages > 100*awaited/natstransport.MaxBatch+1 { // no text is longer
		t.Errorf("%d replies in %d messages", awaited, messages)
	}
	for id := range uint64(items) {
		err, answered := replies[100+id]
		switch {
		case answered != (id == 1 || id > 1 && id%3 != 2):
			t.Errorf("%d: answered %v", id, answered)
		case answered:
			failed(t, err, outcome.ErrBadEnvelope, outcome.NotStarted)
		}
	}
	want(t, node, transport.Envelope{Shard: 7, Type: "Last"}, "")
	if first, last := receive(t, "a name", ran), receive(t, "a name", ran); first != "First" || last != "Last" {
		t.Errorf("%s and %s have run", first, last)
	}
}

// Cancellations may come in any order.
func TestCancelledInTheirMessage(t *testing.T) {
	const items = 2000
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	ran := make(chan string, items)
	if _, err := node.Backend().Subscribe(patient(t), 7, dispatch.Subscriber{Receiver: names(ran)}); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, url)
	var packet []byte
	for id := range uint64(items) {
		packet = wire.AppendEnvelope(packet, &transport.Envelope{Shard: 7, Type: "Echo"}, 0, nil, 0)
		if back := items - 1 - id; back%10 != 0 {
			packet = wire.AppendCancel(packet, 1+back)
		}
	}
	replies, _ := a.ask(wire.AppendEnd(packet, 1), items/10)
	for id := range replies {
		if (id-1)%10 != 0 {
			t.Errorf("%d was answered", id)
		}
	}
	if len(ran) != items/10 {
		t.Errorf("%d have run", len(ran))
	}
}

// A reply that is no packet ends the calls that it is for.
func TestBadReplies(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	nc := dial(t, url)
	pretend(t, nc, 7, 1, func(m *nats.Msg) { _ = m.Respond([]byte("hello")) })
	refused(t, client, transport.Envelope{Shard: 7, Type: "Echo"}, outcome.ErrReply, outcome.MaybeRan)
	if n, refused := client.PacketCounts(); n != 1 || refused != 0 {
		t.Errorf("%d packets were counted, and %d replies", n, refused)
	}
}

// bomb is a registered typed error that panics where it is decoded.
type bomb struct{}

func (*bomb) Error() string                { return "bomb" }
func (*bomb) UnmarshalJSON(b []byte) error { panic(string(b)) }

// slowly is one that takes its time where it is decoded.
type slowly struct{}

var decoding, decoded = make(chan struct{}), make(chan struct{})

func (*slowly) Error() string                { return "slowly" }
func (*slowly) UnmarshalJSON(b []byte) error { decoding <- struct{}{}; <-decoded; return nil }

func init() {
	outcome.RegisterErrorType[*bomb]("natstransport_test.bomb")
	outcome.RegisterErrorType[*slowly]("natstransport_test.slowly")
}

// An error is decoded where its caller waits: other calls of the process go on meanwhile.
func TestErrorIsDecodedByItsCaller(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client := connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	refusal := &outcome.Error{Code: "natstransport_test.slowly", Outcome: outcome.NotStarted, Message: "slow", Detail: []byte(`{}`)}
	if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: refuser{refusal}}); err != nil {
		t.Fatal(err)
	}
	serve(t, node, 1, echo)
	slow := start(patient(t), client, transport.Envelope{Type: "Slow"})
	receive(t, "the decoding", decoding)
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	decoded <- struct{}{}
	r := receive(t, "the slow call", slow)
	if _, ok := errors.AsType[*slowly](r.err); !ok {
		t.Errorf("got %v", r.err)
	}
}

// What a reply's error does when it is decoded is its caller's alone: the reader, and
// with it every other call of the process, goes on.
func TestErrorThatPanicsWhereItIsDecoded(t *testing.T) {
	url := testkit.StartNATSServer(t, nil).URL()
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	typed := &outcome.Error{Code: "natstransport_test.bomb", Outcome: outcome.NotStarted, Message: "bang", Detail: []byte(`{}`)}
	behind := &outcome.Error{Code: "draining", Outcome: outcome.NotStarted, Message: "draining", Causes: []*outcome.Error{typed}}
	for shard, err := range []*outcome.Error{typed, behind} {
		if _, e := node.Backend().Subscribe(patient(t), uint32(shard), dispatch.Subscriber{Receiver: refuser{err}}); e != nil {
			t.Fatal(e)
		}
		_, got := client.Request(patient(t), transport.Envelope{Shard: shard, Type: "T"})
		if outcome.CodeOf(got) != err.Code || outcome.Of(got) != outcome.NotStarted || got.Error() != err.Message {
			t.Errorf("%v, code %q, %v", got, outcome.CodeOf(got), outcome.Of(got))
		}
		if _, ok := errors.AsType[*bomb](got); ok {
			t.Error("there is a value that was not decoded")
		}
	}
	serve(t, node, 2, echo)
	want(t, client, transport.Envelope{Shard: 2, Type: "Echo", Data: []byte("x")}, "x")
}
