package natstransport_test

import (
	"context"
	"fmt"
	"math"
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

// However many find a shard without an owner, the nodes are asked few questions.
func TestManyAskOnce(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	var questions atomic.Int32
	nc := dial(t, url)
	if _, err := nc.Subscribe("clstr.who", func(*nats.Msg) { questions.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for range 20 {
				if _, err := client.Request(patient(t), transport.Envelope{Shard: 2, Type: "Who"}); outcome.CodeOf(err) != "not_owner" {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, most := questions.Load(), int32(2+time.Since(began)/natstransport.AskPause); n > most {
		t.Errorf("2,000 calls have asked %d questions in %v: at most %d allowed", n, time.Since(began), most)
	}
}

// mute is a cluster whose nodes hear questions and do not answer.
func mute(t *testing.T) (client *natstransport.Transport, asked <-chan *nats.Msg) {
	t.Helper()
	client, asked, _ = muteBy(t)
	return client, asked
}

// muteBy is mute, and returns the connection that hears the questions.
func muteBy(t *testing.T) (client *natstransport.Transport, asked <-chan *nats.Msg, by *nats.Conn) {
	t.Helper()
	url := testkit.StartNATS(t)
	nc, c := dial(t, url), make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("clstr.who", c); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true}), c, nc
}

// Who waits for an answer leaves with its context, with its time to live, and
// when its end is closed. Nothing was sent.
func TestLeavingWhileAsking(t *testing.T) {
	client, asked := mute(t)
	ctx, cancel := context.WithCancel(patient(t))
	left := start(ctx, client, transport.Envelope{Shard: 1, Type: "Who"})
	receive(t, "a question", asked)
	cancel()
	failed(t, receive(t, "who leaves", left).err, context.Canceled, outcome.NotSent)

	client, asked = mute(t)
	expired := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who", TTLMs: 1})
	receive(t, "a question", asked)
	failed(t, receive(t, "whose time is up", expired).err, outcome.ErrEnvelopeExpired, outcome.NotSent)

	client, asked = mute(t)
	closed := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who"})
	receive(t, "a question", asked)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	failed(t, receive(t, "whose end is closed", closed).err, outcome.ErrTransportClosed, outcome.NotSent)
}

// A node with a fixed list announces itself: its clients ask a few times at most, and not at all if the
// announcement came first. Once they know the node, they ask no more.
func TestNodeIsKnown(t *testing.T) {
	client, asked, by := muteBy(t)
	serve(t, client, 1, echo)
	heard := func() int { // how many questions, with all that the server has been sent
		client.Sync(patient(t))
		if err := by.FlushWithContext(patient(t)); err != nil {
			t.Fatal(err)
		}
		return len(asked)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	n := heard()
	if n > natstransport.MostQuestions {
		t.Errorf("%d questions were asked", n)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	if again := heard(); again != n {
		t.Errorf("%d questions were asked, and then %d more", n, again-n)
	}
}

// What is no answer settles nothing, and holds nobody up.
func TestMalformedAnswers(t *testing.T) {
	url := testkit.StartNATS(t)
	nc := dial(t, url)
	sevens := make([]wire.Owner, 3)
	for i := range sevens {
		sevens[i] = wire.Owner{Epoch: 7, Node: "x"}
	}
	answers := [][]byte{
		{},
		[]byte("no message"),
		wire.AppendOwners(nil, &wire.Owners{Owners: sevens}), // of how many?
		wire.AppendOwners(nil, &wire.Owners{Owners: sevens, NumShards: math.MaxUint32}),
		wire.AppendOwners(nil, &wire.Owners{First: math.MaxUint32, Owners: sevens, NumShards: 4}),
	}
	var next atomic.Int32
	if _, err := nc.Subscribe("clstr.who", func(m *nats.Msg) {
		_ = m.Respond(answers[int(next.Add(1)-1)%len(answers)])
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	node := connect(t, natstransport.Options{URL: url})
	serve(t, node, 1, echo)
	client := connect(t, natstransport.Options{URL: url})
	for range len(answers) {
		want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
		client.MayAsk()
	}
	if n := client.KnownShards(); n > 4 {
		t.Errorf("%d shards are known", n)
	}
}

// Questions that cannot be answered are ignored, and others are answered still;
// nobody fills a node's memory with answers.
func TestBadQuestions(t *testing.T) {
	url, node, client, r := realm(t, 60_000)
	for shard := range r.epochs {
		r.say(uint32(shard), 2, "other")
	}
	own(t, node, r, 1, 3, says("it"))
	nc := dial(t, url)
	ask := wire.AppendOwners(nil, &wire.Owners{})
	release := sync.OnceFunc(node.HoldFlusher())
	t.Cleanup(release)
	for i := range 1000 {
		if err := nc.PublishRequest("clstr.who", fmt.Sprint("_INBOX.flood.", i), ask); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Publish("clstr.who", ask); err != nil {
		t.Fatal(err)
	}
	for reply, data := range map[string][]byte{"clstr.n.x._": ask, "$JS.API.INFO": ask, "_INBOX.x.y": []byte("no message")} {
		if err := nc.PublishRequest("clstr.who", reply, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	node.Sync(patient(t))
	if n := node.FlusherWaits(); n > 70 {
		t.Errorf("%d answers wait", n)
	}
	release()
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	if n := client.KnownShards(); n != 60_000 {
		t.Errorf("%d shards are known", n)
	}
}

// slowRecords counts how often they are read.
type slowRecords struct {
	records
	read atomic.Int32
}

func (r *slowRecords) Owners(first uint32, most int) ([]dispatch.Owner, uint32) {
	r.read.Add(1)
	return r.records.Owners(first, most)
}

// TestQuestionsShareAnAnswer: a flood of questions for owners has the records read once,
// until they change.
func TestQuestionsShareAnAnswer(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	r := &slowRecords{records: records{epochs: []uint64{4, 5}}}
	if _, err := node.Backend().ServeOwners(patient(t), r); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, url)
	release := node.HoldReader() // all wait for it, and are read at once
	const questions = 50
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for range questions {
		if err := nc.PublishRequest("clstr.who", inbox, wire.AppendOwners(nil, &wire.Owners{})); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the questions wait", func() bool { return node.Backlog() >= questions-1 })
	release()
	for range questions {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if told, err := wire.DecodeOwners(m.Data); err != nil || len(told.Owners) != 2 || told.Owners[1].Epoch != 5 {
			t.Errorf("told %+v, %v", told, err)
		}
	}
	if n := r.read.Load(); n != 1 {
		t.Errorf("%d questions had the records read %d times", questions, n)
	}
	r.mu.Lock()
	r.epochs[1] = 6
	r.mu.Unlock()
	r.version.Add(1)
	m, err := nc.Request("clstr.who", wire.AppendOwners(nil, &wire.Owners{}), patience)
	if err != nil {
		t.Fatal(err)
	}
	if told, err := wire.DecodeOwners(m.Data); err != nil || told.Owners[1].Epoch != 6 {
		t.Errorf("after a change told %+v, %v", told, err)
	}
}

// TestSilenceIsNoFixedList: a node that does not answer in time may be busy. That is no
// word that its cluster has fixed lists: callers try again.
func TestSilenceIsNoFixedList(t *testing.T) {
	url := testkit.StartNATS(t)
	client := connect(t, natstransport.Options{URL: url})
	busy := dial(t, url)
	if _, err := busy.SubscribeSync("clstr.who"); err != nil { // there, and silent
		t.Fatal(err)
	}
	if err := busy.Flush(); err != nil {
		t.Fatal(err)
	}
	refused(t, client, transport.Envelope{Shard: 1, Type: "Who"}, outcome.ErrNotOwner, outcome.NotStarted)
}
