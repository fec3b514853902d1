package natstransport

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

// OpenWithBacklog is Open with room for n messages that wait for the reader.
func OpenWithBacklog(opts Options, n int) (*Transport, error) {
	return open(context.Background(), opts, n)
}

// HoldReader stops the reader until release.
func (t *Transport) HoldReader() (release func()) {
	held, hold := make(chan struct{}), make(chan struct{})
	go t.link.Behind(func() { close(held); <-hold }) // ends at release
	<-held
	return func() { close(hold) }
}

// Backlog is how many messages wait for the reader.
func (t *Transport) Backlog() int { return len(t.link.In) }

// HoldShard keeps what is sent to a shard back until release, as a slow
// connection does.
func (t *Transport) HoldShard(shard uint32) (release func()) {
	b := t.boxOf(shard)
	for !b.hold() {
		runtime.Gosched() // the flusher is about to leave it
	}
	return b.release
}

// boxOf is the way to the owner of a shard, for which the nodes are asked.
func (t *Transport) boxOf(shard uint32) *nodeBox {
	r := t.owners.Get(shard)
	if r == nil {
		r = t.owners.Ask(context.Background(), shard, nil, true)
	}
	return r.To
}

// HoldFlusher keeps all that is to be sent back until release.
func (t *Transport) HoldFlusher() (release func()) {
	hold := make(chan struct{})
	t.flusher.Go(pool.Func(func() { <-hold }))
	return func() { close(hold) }
}

// MoveFor sets how long a move waits for what was sent before, and how long it hears over two connections.
func (t *Transport) MoveFor(settling, overlap time.Duration) {
	t.link.Times.Settle, t.link.Times.Overlap = settling, overlap
}

// Settles reports whether a move waits for what was sent before.
func (t *Transport) Settles() bool {
	return t.owners.halted.Load()
}

// Subjects are some that others send to.
func (t *Transport) Subjects() []string {
	subjects := []string{t.link.Inbox + ".x"}
	if t.link.Hears(&t.ears.node) {
		subjects = append(subjects, t.opts.Prefix+".n."+t.node+"._")
	}
	return subjects
}

// ClientID is the server's number of the connection.
func (t *Transport) ClientID() uint64 {
	id, _ := t.link.Conn().GetClientID()
	return id
}

// Subscriptions is how many shards are subscribed.
func (t *Transport) Subscriptions() int {
	return len(t.table.All())
}

// Waiting is how many messages, calls and bytes wait to be sent to a shard.
func (t *Transport) Waiting(shard uint32) (messages, items, bytes int) {
	b := t.boxOf(shard)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.waiting {
		items += m.items
		bytes += len(m.buf)
	}
	return len(b.waiting), items, bytes
}

// Leave is the first part of Close.
func (t *Transport) Leave() { t.closing.Do(t.leave) }

// Peers is how many peers the reader remembers, once it has read what has come.
func (t *Transport) Peers() int {
	t.link.UpToHere()
	return t.server.peers.byInbox.Len()
}

// HoldPeer has all that look at a peer wait until release.
func (t *Transport) HoldPeer(inbox string) (release func()) {
	t.link.UpToHere()
	p, _ := t.server.peers.byInbox.Peek(inbox)
	p.mu.Lock()
	return p.mu.Unlock
}

// OpenCalls is how many calls wait for their outcome.
func (t *Transport) OpenCalls() int {
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	return t.calls.open.Len()
}

const (
	MaxPeers   = maxPeers
	MaxBatch   = maxBatch
	MaxWaiting = maxWaiting
	MaxAnswers = maxAnswers
	Crowd      = crowd
)

// URL is the server that the transport is connected to.
func (t *Transport) URL() string { return t.link.Conn().ConnectedUrl() }

// MostQuestions is how many are put where nobody answers.
const MostQuestions = int(routes.Timeout/routes.Again) + 1

// AskPause is how long nobody asks for owners after an answer.
const AskPause = routes.Pause

// Hears reports whether the connection listens to announcements.
func (t *Transport) Hears() bool {
	return t.link.Hears(&t.ears.own)
}

// Deafen has announcements ignored.
func (t *Transport) Deafen() {
	t.link.Behind(func() { t.ears.own.Take = func(*nats.Msg) {} })
}

// Epoch is the one in which a shard is taken to be owned.
func (t *Transport) Epoch(shard uint32) uint64 { return t.owners.EpochOf(shard) }

// KnownShards is of how many shards the owners are remembered.
func (t *Transport) KnownShards() int {
	_, shards := t.owners.Size()
	return shards
}

// MayAsk has the next who finds no owner ask, however new the last answer is.
func (t *Transport) MayAsk() { t.owners.Age() }

// Sync returns when all that the server has sent before was read.
func (t *Transport) Sync(ctx context.Context) {
	_ = t.link.Conn().FlushWithContext(ctx)
	t.link.UpToHere()
}

// FlusherWaits is how many tasks wait for the flusher.
func (t *Transport) FlusherWaits() int { return t.flusher.Stats().Waiting }

// Learn is the first half of what an announcement does: the owner is known, and
// requests do not go there yet.
func (t *Transport) Learn(shard uint32, epoch uint64, node string) {
	t.owners.Learn(shard, wire.Owner{Epoch: epoch, Node: node}, false)
}

// Report has nats.go's handler told of an error that is nobody's.
func (t *Transport) Report(err error) { t.link.Conn().ErrorHandler()(t.link.Conn(), nil, err) }

// Forget makes the transport as it is between a first connection and the moment at
// which its watcher sees it.
func (t *Transport) Forget() { t.link.MaxMessage.Store(0) }

// Stuck is a peer whose replies are not sent: put tells whether one of that size has
// found room.
func (t *Transport) Stuck() (put func(size int) bool) {
	p := &peer{t: t}
	p.pool, p.room, p.send, p.busy = t.flusher, &t.replyRoom, p.publish, true
	return func(size int) bool {
		_, full := p.put("", t.limit(), &wire.Reply{ID: 1, Data: make([]byte, size)}, 1)
		return full == nil
	}
}

// ReplyRoom is how many bytes of replies wait to be sent.
func (t *Transport) ReplyRoom() int64 { return t.replyRoom.bytes.Load() }

// SmallReply is the size of a reply that there is room for where there is none for
// larger ones.
const SmallReply = small - 32

// AskTurns asks the owner of a shard what turns wait for there.
func (t *Transport) AskTurns(ctx context.Context, shard uint32, question []byte) ([]byte, error) {
	return t.turns.ask(ctx, shard, question)
}

// PeerRoom is for how many calls the peers have room.
func (t *Transport) PeerRoom() (room int) {
	t.link.UpToHere()
	for _, p := range t.server.peers.byInbox.Values() {
		p.mu.Lock()
		room += p.calls.Room()
		p.mu.Unlock()
	}
	return room
}

// CallRoom is for how many requests that wait there is room.
func (t *Transport) CallRoom() int {
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	return t.calls.open.Room()
}

// VigilHeard is how much has come from the owner of a shard.
func (t *Transport) VigilHeard(shard uint32) uint64 {
	return t.owners.Get(shard).To.vigil.heard.Load()
}

// VigilEnds fails a test if the node of a shard is watched although no call waits for it.
func (t *Transport) VigilEnds(tb testing.TB, shard uint32) {
	tb.Helper()
	v := &t.owners.Get(shard).To.vigil
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for giveUp := time.After(30 * time.Second); v.on.Load(); {
		select {
		case <-again.C:
		case <-giveUp:
			tb.Fatalf("shard %d is watched, and %d calls wait", shard, v.awaited.Load())
		}
	}
}

// Pulses has the watch over the owner of a shard look so often, at once.
func (t *Transport) Pulses(shard uint32, n int) {
	v := &t.owners.Get(shard).To.vigil
	for n > 0 && v.on.Load() {
		if t.clock.Remove(&v.node) { // else it looks just now
			v.Expire()
			n--
		}
	}
}

// StopPulses ends the watch over the owner of a shard, for which a call waits.
func (t *Transport) StopPulses(shard uint32) {
	for v := &t.owners.Get(shard).To.vigil; !t.clock.Remove(&v.node); {
		runtime.Gosched() // it looks just now
	}
}

// Pulse has the watch look once, after StopPulses, and returns when what it has asked is sent.
func (t *Transport) Pulse(shard uint32) {
	v := &t.owners.Get(shard).To.vigil
	v.Expire()
	t.clock.Remove(&v.node)
	sent := make(chan struct{})
	t.flusher.Go(pool.Func(func() { close(sent) }))
	<-sent
}

// Lie has the reader take an answer about owners that no node has sent.
func (t *Transport) Lie(o *wire.Owners) {
	t.link.Behind(func() { _ = t.owners.Answer(wire.AppendOwners(nil, o)) })
}

// Meddle has f see each message before the reader takes it, on the reader's goroutine. f hands on what it likes, when it likes.
func (t *Transport) Meddle(f func(m *nats.Msg, take func(*nats.Msg))) {
	t.link.Behind(func() {
		es := &t.ears
		for _, e := range []*link.Ear{&es.inbox, &es.node, &es.own, &es.who} {
			take := e.Take
			e.Take = func(m *nats.Msg) { f(m, take) }
		}
	})
}

// Behind has the reader call f behind what has come, and returns when that was done.
func (t *Transport) Behind(f func()) { t.link.Behind(f) }

// Boxes is how many nodes this end knows.
func (t *Transport) Boxes() int {
	nodes, _ := t.owners.Size()
	return nodes
}

// SetAgain sets how long a refused subscription waits for the first further try.
func (t *Transport) SetAgain(first time.Duration) {
	t.link.Times.Again.Store(int64(first))
}

// ChangeFor sets how long something may be on its way that was sent over an earlier connection.
func (t *Transport) ChangeFor(d time.Duration) { t.link.Times.Late.Store(int64(d)) }

// HasCome returns when nats.go has taken, or dropped, all that the server has sent before.
func (t *Transport) HasCome(ctx context.Context) { _ = t.link.Conn().FlushWithContext(ctx) }

// OpenAt is how many calls of others this end has, once the reader has read what has come.
func (t *Transport) OpenAt() (n int) {
	t.link.UpToHere()
	for _, p := range t.server.peers.byInbox.Values() {
		p.mu.Lock()
		n += p.calls.Len()
		p.mu.Unlock()
	}
	return n
}

// TryAgain subscribes what was refused.
func (t *Transport) TryAgain() { t.link.TryAgain() }
