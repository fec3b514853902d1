package natstransport_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
	"github.com/clstr-go/clstr/transport/wire"
)

// records is what nodes say of owners.
type records struct {
	mu      sync.Mutex
	epochs  []uint64
	version atomic.Uint64
}

func (r *records) Version() uint64 { return r.version.Load() }

func (r *records) Seed() string { return "seed" }

// Epochs implements transport.Owners.
func (r *records) Epochs(first uint32, most int) ([]uint64, uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.epochs[min(int(first), len(r.epochs)):]
	return append([]uint64(nil), rest[:min(most, len(rest))]...), uint32(len(r.epochs))
}

// own serves a shard in an epoch, and says so.
func own(t *testing.T, node *natstransport.Transport, r *records, shard uint32, epoch uint64, h transport.HandlerFunc) transport.Subscription {
	t.Helper()
	sub, err := node.SubscribeEpoch(patient(t), shard, epoch, node.Dispatcher().ReceiverFunc(h))
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs[shard] = epoch
	r.version.Add(1)
	return sub
}

// realm is a node that tells of owners, and a client.
func realm(t *testing.T, shards int) (url string, node, client *natstransport.Transport, r *records) {
	t.Helper()
	url = testkit.StartNATS(t)
	node, client = connect(t, natstransport.Options{URL: url}), connect(t, natstransport.Options{URL: url})
	r = &records{epochs: make([]uint64, shards)}
	if _, err := node.ServeOwners(patient(t), r); err != nil {
		t.Fatal(err)
	}
	return url, node, client, r
}

// says answers with a name.
func says(name string) transport.HandlerFunc {
	return func(context.Context, transport.Envelope) ([]byte, error) { return []byte(name), nil }
}

// announce publishes an announcement as anybody on the account may, and returns
// when the client has heard it.
func announce(t *testing.T, nc *nats.Conn, client *natstransport.Transport, o wire.Owners) {
	t.Helper()
	if err := nc.Publish("clstr.own", wire.AppendOwners(nil, &o)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client listens", client.Hears)
	client.Sync(patient(t))
}

// A client on the account may announce what it likes: callers try it once, and
// believe the nodes.
func TestForgedAnnouncements(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	own(t, node, r, 2, 5, says("other"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	eventually(t, "the client listens", client.Hears)
	evil := dial(t, url)
	for _, epoch := range []uint64{4, 1 << 63, math.MaxUint64} {
		announce(t, evil, client, wire.Owners{First: 1, Epochs: []uint64{epoch, epoch, epoch}})
		if got := client.Epoch(1); got != epoch {
			t.Fatalf("the client knows epoch %d, not the %d that was announced", got, epoch)
		}
		for range 5 { // the first finds nobody, asks, and is sent again
			want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
			want(t, client, transport.Envelope{Shard: 2, Type: "Who"}, "other")
		}
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 3, Type: "Who"}, transport.ErrNotOwner, transport.NotStarted)
		client.MayAsk()
	}
	own(t, node, r, 3, 1, says("third"))
	eventually(t, "the shard is found", func() bool {
		reply, _ := client.Request(patient(t), transport.Envelope{Shard: 3, Type: "Who"})
		return string(reply) == "third"
	})

	// Notifications without an acknowledgement go astray until it is known.
	announce(t, evil, client, wire.Owners{First: 1, Epochs: []uint64{1 << 62}})
	client.MayAsk()
	eventually(t, "notifications find the owner", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Shard: 1, Type: "Note", Delivery: transport.AwaitNothing})
		return err == nil && client.Epoch(1) == 3
	})
	if client.MissedNotifications() == 0 {
		t.Error("what went astray was not counted")
	}
}

// TestForgedAnnouncementWithAListener: where anybody listens to all subjects the server
// does not say that nobody serves an epoch. Then one call waits out its deadline, and the
// next finds the owner that the nodes tell of.
func TestForgedAnnouncementWithAListener(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	evil := dial(t, url)
	if _, err := evil.SubscribeSync("clstr.>"); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []func(context.Context, *transport.Envelope) (context.Context, context.CancelFunc){
		func(ctx context.Context, _ *transport.Envelope) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		},
		func(ctx context.Context, env *transport.Envelope) (context.Context, context.CancelFunc) {
			env.TTLMs = 100
			return context.WithCancel(ctx)
		},
	} {
		announce(t, evil, client, wire.Owners{First: 1, Epochs: []uint64{1 << 60}})
		client.MayAsk()
		env := transport.Envelope{Shard: 1, Type: "Who"}
		ctx, cancel := wait(patient(t), &env)
		if _, err := client.Request(ctx, env); transport.OutcomeOf(err) != transport.MaybeRan {
			t.Errorf("nobody can answer: %v", err)
		}
		cancel()
		eventually(t, "the nodes are believed", func() bool { return client.Epoch(1) == 3 })
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	}
}

// An announcement costs no memory: there are as many shards as the nodes say.
func TestAnnouncementsOfNoShard(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	eventually(t, "the client listens", client.Hears)
	evil := dial(t, url)
	for _, o := range []wire.Owners{
		{First: 1<<20 - 1, Epochs: []uint64{1}, NumShards: 1 << 20},
		{First: math.MaxUint32, Epochs: []uint64{1, 2, 3}, NumShards: math.MaxUint32},
		{First: 3, Epochs: make([]uint64, 1000)},
	} {
		announce(t, evil, client, o)
		if n := client.KnownShards(); n != 4 {
			t.Fatalf("%d shards are known, not 4", n)
		}
	}
	if err := evil.Publish("clstr.own", []byte("no message")); err != nil {
		t.Fatal(err)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
}

// An answer may be older than what is known: it changes nothing that works.
func TestAnswersThatLag(t *testing.T) {
	_, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	own(t, node, r, 2, 7, says("other"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	r.mu.Lock()
	r.epochs[1], r.epochs[2] = 2, 0
	r.mu.Unlock()
	for range 3 {
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 3, Type: "Who"}, transport.ErrNotOwner, transport.NotStarted) // asks
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
		want(t, client, transport.Envelope{Shard: 2, Type: "Who"}, "other")
	}
	if client.Epoch(1) != 3 || client.Epoch(2) != 7 {
		t.Errorf("the client knows %d and %d", client.Epoch(1), client.Epoch(2))
	}
}

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
				if _, err := client.Request(patient(t), transport.Envelope{Shard: 2, Type: "Who"}); transport.CodeOf(err) != "not_owner" {
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
	url := testkit.StartNATS(t)
	nc, c := dial(t, url), make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("clstr.who", c); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return connect(t, natstransport.Options{URL: url}), c
}

// Who waits for an answer leaves with its context, with its time to live, and
// when its end is closed. Nothing was sent.
func TestLeavingWhileAsking(t *testing.T) {
	client, asked := mute(t)
	ctx, cancel := context.WithCancel(patient(t))
	left := start(ctx, client, transport.Envelope{Shard: 1, Type: "Who"})
	receive(t, "a question", asked)
	cancel()
	failed(t, receive(t, "who leaves", left).err, context.Canceled, transport.NotSent)

	client, asked = mute(t)
	expired := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who", TTLMs: 1})
	receive(t, "a question", asked)
	failed(t, receive(t, "whose time is up", expired).err, transport.ErrEnvelopeExpired, transport.NotSent)

	client, asked = mute(t)
	closed := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who"})
	receive(t, "a question", asked)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	failed(t, receive(t, "whose end is closed", closed).err, transport.ErrTransportClosed, transport.NotSent)
}

// Where nobody answers, lists of shards are taken to be fixed, after a while.
func TestNobodyAnswers(t *testing.T) {
	client, asked := mute(t)
	serve(t, client, 1, echo)
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	client.Sync(patient(t))
	n := len(asked)
	if n == 0 || n > natstransport.MostQuestions {
		t.Errorf("%d questions were asked", n)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")
	if again := len(asked); again != n {
		t.Errorf("%d questions were asked, and then %d more", n, again-n)
	}
}

// What is no answer settles nothing, and holds nobody up.
func TestMalformedAnswers(t *testing.T) {
	url := testkit.StartNATS(t)
	nc := dial(t, url)
	answers := [][]byte{
		{},
		[]byte("no message"),
		wire.AppendOwners(nil, &wire.Owners{Epochs: []uint64{7, 7, 7}}), // of how many?
		wire.AppendOwners(nil, &wire.Owners{Epochs: []uint64{7, 7, 7}, NumShards: math.MaxUint32}),
		wire.AppendOwners(nil, &wire.Owners{First: math.MaxUint32, Epochs: []uint64{7, 7, 7}, NumShards: 4}),
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
	for reply, data := range map[string][]byte{"clstr.s.1.3": ask, "$JS.API.INFO": ask, "_INBOX.x.y": []byte("no message")} {
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

func (r *slowRecords) Epochs(first uint32, most int) ([]uint64, uint32) {
	r.read.Add(1)
	return r.records.Epochs(first, most)
}

// TestQuestionsShareAnAnswer: a flood of questions for owners has the records read once,
// until they change.
func TestQuestionsShareAnAnswer(t *testing.T) {
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	r := &slowRecords{records: records{epochs: []uint64{4, 5}}}
	if _, err := node.ServeOwners(patient(t), r); err != nil {
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
	eventually(t, "the questions wait", func() bool { return node.Backlog() == questions-1 })
	release()
	for range questions {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if told, err := wire.DecodeOwners(m.Data); err != nil || len(told.Epochs) != 2 || told.Epochs[1] != 5 {
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
	if told, err := wire.DecodeOwners(m.Data); err != nil || told.Epochs[1] != 6 {
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
	refused(t, client, transport.Envelope{Shard: 1, Type: "Who"}, transport.ErrNotOwner, transport.NotStarted)
}
