package natstransport_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// asUsers is a server with the permissions of docs/wire-format.md: for nodes, and for a
// client.
func asUsers(t *testing.T) (url string, login func(user string) []nats.Option) {
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: append(subscribe, "_INBOX."+name+".>")},
		}}
	}
	url = testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		user("data", []string{"_INBOX.>", "clstr.own", "clstr.who", "clstr.n.*.*"}, []string{"clstr.n.*.*", "clstr.who"}),
		user("web", []string{"clstr.n.*.*", "clstr.who"}, []string{"clstr.own"}),
	}}).URL()
	return url, func(user string) []nats.Option {
		return []nats.Option{nats.UserInfo(user, "p"), nats.CustomInboxPrefix("_INBOX." + user)}
	}
}

// put sends one envelope as a client without this library does.
func put(t *testing.T, nc *nats.Conn, env transport.Envelope) wire.Reply {
	t.Helper()
	m, err := nc.Request(at(t, nc, 0), packet(env), patience)
	if err != nil {
		t.Fatal(err)
	}
	var dec wire.Decoder
	var p wire.Packet
	if err := dec.Decode(m.Data, &p); err != nil || len(p.Replies) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	return p.Replies[0]
}

// about is a question about the turns of the numbers, of shard 0.
func about(drains bool, numbers ...uint64) []byte {
	b, _ := json.Marshal(map[string]any{"drains": drains, "numbers": numbers})
	return append([]byte{0}, b...)
}

// TestTurnsAreForNodes: a client that may do what docs/wire-format.md allows learns no
// turn's number from a shard that drains, however it asks. A node does.
func TestTurnsAreForNodes(t *testing.T) {
	url, login := asUsers(t)
	node := connect(t, natstransport.Options{URL: url, NATSOptions: login("data")})
	begun, end := make(chan uint64), make(chan struct{})
	var typed []string
	sub := serve(t, node, 0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type != "Held" {
			typed = append(typed, env.Type)
			return nil, errors.New("unknown")
		}
		w := dispatch.BeginWait(ctx)
		own := w.For(ctx, 3)
		defer w.EndWait(ctx)
		begun <- own.Number
		<-end
		return nil, nil
	})
	call := start(patient(t), node, transport.Envelope{Type: "Held"})
	number := receive(t, "the call", begun)
	denials := make(chan error, 8)
	web := dial(t, url, append(login("web"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denials <- err }))...)
	if r := put(t, web, transport.Envelope{Type: "clstr.turns", Data: about(true)[1:]}); r.Err == nil || r.Err.Message != "unknown" || len(typed) != 1 {
		t.Errorf("a question for turns is more than any other message: %q, %v, of %q", r.Data, r.Err, typed)
	}
	drained := make(chan error, 1)
	go func() { drained <- sub.Drain(patient(t)) }() // ends with the call
	eventually(t, "the drain begins", func() bool {
		r := put(t, web, transport.Envelope{Type: "Echo"})
		return r.Err != nil && r.Err.Code == "draining"
	})
	if r := put(t, web, transport.Envelope{Type: "clstr.turns", Data: about(true)[1:]}); r.Err == nil || r.Err.Code != "draining" {
		t.Errorf("a question for turns while the shard drains: %q, %v", r.Data, r.Err)
	}
	r := put(t, web, transport.Envelope{Type: "clstr.turns.at"})
	inbox := string(r.Data)
	if r.Err != nil || !strings.HasPrefix(inbox, "_INBOX.data.") {
		t.Fatalf("nodes are asked at %q, %v", inbox, r.Err)
	}
	if err := web.PublishRequest(inbox, web.NewInbox(), about(true)); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "a denial", denials); !containsAny(err.Error(), `Publish to "`+inbox+`"`) {
		t.Error(err)
	}
	// A node may publish there, and a client names where it replies to.
	_, before := node.PacketCounts()
	if err := web.PublishRequest("clstr.n."+node.Backend().Address()+"._", inbox, packet(transport.Envelope{Type: "Echo"})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reply is no question", func() bool {
		undecodable, refused := node.PacketCounts()
		return undecodable+refused == before+1
	})

	other := dial(t, url, login("data")...)
	answer := func(question []byte) string {
		t.Helper()
		m, err := other.Request(inbox, question, patience)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	if told := answer(about(true)); !strings.Contains(told, strconv.FormatUint(number, 10)) {
		t.Errorf("a node is told %q of the turns of a shard that drains", told)
	}
	for what, question := range map[string][]byte{
		"of another number": about(false, number+1), "that names a turn twice": about(false, 7, 7), "of a shard that is elsewhere": append([]byte{5}, about(true)[1:]...),
		"without numbers": about(false),
	} {
		if told := answer(question); told != "" {
			t.Errorf("a question %s is answered: %q", what, told)
		}
	}
	close(end)
	if err := receive(t, "the drain", drained); err != nil {
		t.Error(err)
	}
	if r := receive(t, "the reply", call); r.err != nil {
		t.Error(r.err)
	}
}

// slowPlace is one where it takes long to see what runs.
type slowPlace struct{ looked, goOn chan struct{} }

// Running implements turn.Place.
func (p *slowPlace) Running() *turn.Turn {
	p.looked <- struct{}{}
	<-p.goOn
	return nil
}

// TestQuestionsForTurnsHoldUpNothing: while a node looks at what turns wait for, it
// hands on requests, and it looks for so many at once only.
func TestQuestionsForTurnsHoldUpNothing(t *testing.T) {
	url, login := asUsers(t)
	log := new(lockedBuffer)
	node := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true, NATSOptions: login("data"), Log: slog.New(slog.NewTextHandler(log, nil))})
	serve(t, node, 0, echo)
	place := &slowPlace{make(chan struct{}, 1000), make(chan struct{})}
	by := &dispatch.Turn{Number: 1<<63 + 11}
	defer by.Queue(place).Leave()
	other := dial(t, url, login("data")...)
	inbox := string(put(t, other, transport.Envelope{Type: "clstr.turns.at"}).Data)
	const most = natstransport.MaxAnswers
	for range most + 10 {
		if err := other.PublishRequest(inbox, other.NewInbox(), about(false, by.Number)); err != nil {
			t.Fatal(err)
		}
	}
	for range most {
		receive(t, "a look", place.looked)
	}
	want(t, node, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	eventually(t, "the log tells of the rest", func() bool { return strings.Contains(log.String(), "too many wait for an answer") })
	if n := len(place.looked); n > 0 {
		t.Errorf("%d more are looked for at once", n)
	}
	close(place.goOn)
	for range 3 {
		if _, err := other.Request(inbox, about(false, by.Number), patience); err != nil {
			eventually(t, "there is room again", func() bool { _, err := other.Request(inbox, about(false, by.Number), patience); return err == nil })
		}
	}
}

// turnProvocations are those of the lines about turns.
var turnProvocations = []provocation{
	{"questions for turns that are none", []string{
		"question for turns is ignored: it does not decode", "question for turns is ignored: its reply subject is no inbox",
	}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		serve(t, w.connect(natstransport.Options{URL: url}), 0, echo)
		nc := dial(t, url)
		inbox := string(put(t, nc, transport.Envelope{Type: "clstr.turns.at"}).Data)
		post(t, nc, inbox, "_INBOX.x.1", []byte("\xff"))
		post(t, nc, inbox, "orders", loud(400))
	}},
	{"too many questions for turns", []string{"question for turns is ignored: too many wait for an answer"}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATS(t)
		node := w.connect(natstransport.Options{URL: url})
		serve(t, node, 0, echo)
		nc := dial(t, url)
		inbox := string(put(t, nc, transport.Envelope{Type: "clstr.turns.at"}).Data)
		release := sync.OnceFunc(node.HoldFlusher())
		t.Cleanup(release)
		for range 100 {
			post(t, nc, inbox, "_INBOX.x.1", loud(400))
		}
	}},
	{"turns that may not be asked for", []string{
		"not permitted to hear what other nodes ask about turns: chains of requests that cross wait until their deadlines",
	}, func(t *testing.T, w *secretWatch) {
		url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{{Username: "shy", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"_INBOX.*.turns"}}, Subscribe: &server.SubjectPermission{Deny: []string{"_INBOX.*.turns"}},
		}}}}).URL()
		shy := w.connect(natstransport.Options{URL: url, NATSOptions: []nats.Option{nats.UserInfo("shy", "p")}})
		serve(t, shy, 7, echo)
		want(t, shy, secret(transport.Envelope{Shard: 7}), string(loud(40)))
	}},
}
