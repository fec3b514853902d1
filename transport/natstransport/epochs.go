// Nodes with a membership: a subject for each epoch, answers to questions about owners

package natstransport

import (
	"context"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ dispatch.Link             = (*subscription)(nil)
	_ transport.LayoutTransport = (*Transport)(nil)
)

// ownersSub answers questions for owners.
type ownersSub struct {
	t     *Transport
	nats  *nats.Subscription
	dir   dispatch.Owners
	begun atomic.Int32 // answers that wait to be sent
	last  struct {     // the last answer; the reader's
		first   uint32
		version uint64
		bytes   []byte
	}

	denied error // the server's refusal; guarded by t.mu
}

// maxAnswers bounds the answers that wait, however often clients ask.
const maxAnswers = 64

// Unsubscribe implements [transport.Subscription]. Questions that the server has sent before it
// knew of the end are still answered, because their clients would wait in vain.
func (s *ownersSub) Unsubscribe() error {
	t := s.t
	if t.nc.IsConnected() && s.nats.Drain() == nil && t.flush(context.Background()) == nil {
		t.readUpToHere()
	} else {
		_ = s.nats.Unsubscribe()
	}
	t.mu.Lock()
	delete(t.asked, s.nats)
	t.mu.Unlock()
	sent := make(sentinel)
	t.flusher.Go(sent) // behind the last answer
	select {
	case <-sent:
	case <-t.ended:
	}
	return nil
}

// sentinel is a task of the flusher that says when the tasks before it are done.
type sentinel chan struct{}

// Run implements pool.Task.
func (s sentinel) Run(pool.Slot) { close(s) }

// tell answers a question for owners. Only the reader calls it.
func (t *Transport) tell(s *ownersSub, m *nats.Msg) {
	if !t.isInbox(m.Reply) {
		t.packets.refused.Add(1)
		t.log.Warn("question for owners is ignored: its reply subject is no inbox")
		return
	}
	ask, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("question for owners is ignored: it does not decode", "error", err)
		return
	}
	if s.begun.Add(1) > maxAnswers {
		s.begun.Add(-1)
		t.log.Warn("question for owners is ignored: too many wait for an answer")
		return // the client asks again
	}
	t.flusher.Go(message{t, m.Reply, s.answer(ask.First), &s.begun})
}

// answer returns the message that names the owners of shards from first on. With many shards it
// takes the reader milliseconds to make, so the message is made once for each change. Only the
// reader calls answer.
func (s *ownersSub) answer(first uint32) []byte {
	version := s.dir.Version()
	if s.last.bytes != nil && s.last.first == first && s.last.version == version {
		return s.last.bytes
	}
	told := wire.Owners{First: first}
	most := min(wire.MaxEpochs, max(0, s.t.limit()-wire.MaxSeed)/10) // an epoch takes 10 bytes at most
	told.Epochs, told.NumShards = s.dir.Epochs(first, most)
	told.Seed = s.dir.Seed()
	s.last.first, s.last.version, s.last.bytes = first, version, wire.AppendOwners(nil, &told)
	return s.last.bytes
}

// announce tells clients of a new owner; clients that miss it ask.
func (t *Transport) announce(shard uint32, epoch uint64) {
	b := wire.AppendOwners(nil, &wire.Owners{First: shard, Epochs: []uint64{epoch}})
	t.flusher.Go(message{t, t.opts.Prefix + ".own", b, nil})
}

// message is a task of the flusher: it publishes a message that no caller waits for.
type message struct {
	t       *Transport
	subject string
	data    []byte
	begun   *atomic.Int32 // counted until it is sent; may be nil
}

// Run implements pool.Task.
func (m message) Run(pool.Slot) {
	if m.begun != nil {
		defer m.begun.Add(-1)
	}
	if err := m.t.nc.Publish(m.subject, m.data); err != nil {
		m.t.log.Warn("message was not sent", "subject", m.subject, "error", err)
	}
}
