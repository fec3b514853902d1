// Questions of nodes about what turns wait for

package natstransport

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/transport"
)

// turnsAt is the type of a request that any owner of a shard answers. The answer is the subject
// of its node for questions about what turns wait for. Clients may know that subject,
// but may not publish to it, because it is an inbox of the node. It is not the inbox for
// replies: clients may not even know that one.
const turnsAt = "clstr.turns.at"

// turnsToken ends such a subject.
const turnsToken = ".turns"

// turns is the node's part in questions about turns.
type turns struct {
	open atomic.Int32                          // questions that are answered now, or wait to be sent
	asks map[*context.CancelCauseFunc]struct{} // of our own questions; guarded by Transport.mu
}

// askTurns asks the owner of a shard what turns wait for there: see
// [dispatch.Dispatcher.SetAsk].
func (t *Transport) askTurns(ctx context.Context, shard uint32, question []byte) ([]byte, error) {
	if s := t.newest(shard); s != nil && s.epoch >= t.owners.epochOf(shard) {
		return s.AnswerTurns(shard, question)
	}
	at, err := t.Request(ctx, transport.Envelope{Shard: int(shard), Type: turnsAt})
	if err != nil {
		return nil, err
	}
	if !t.isInbox(string(at)) {
		return nil, outcome.Errorf(outcome.ErrReply, "shard %d: %d bytes are no inbox", shard, len(at))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.mu.Lock()
	t.turns.asks[&cancel] = struct{}{}
	t.mu.Unlock()
	m, err := t.nc.Load().RequestWithContext(ctx, string(at), append(binary.AppendUvarint(nil, uint64(shard)), question...))
	t.mu.Lock()
	delete(t.turns.asks, &cancel)
	t.mu.Unlock()
	if denied, ok := errors.AsType[*outcome.Error](context.Cause(ctx)); ok {
		return nil, denied
	}
	if err != nil {
		return nil, notSent(err)
	}
	return m.Data, nil
}

// denyTurns ends all questions about turns, because the server permits none.
func (t *Transport) denyTurns(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for cancel := range t.turns.asks {
		(*cancel)(outcome.Errorf(outcome.ErrNotPermitted, "%v", why))
	}
}

// tellTurns answers a question of another node's. Only the reader calls it, which does
// not wait for the answer.
func (t *Transport) tellTurns(m *nats.Msg) {
	shard, n := binary.Uvarint(m.Data)
	switch {
	case n <= 0 || shard > math.MaxUint32:
		t.packets.undecodable.Add(1)
		t.log.Warn("question for turns is ignored: it does not decode")
		return
	case !t.isInbox(m.Reply): // what a client has a node send here, as a reply, has none
		t.packets.refused.Add(1)
		t.log.Warn("question for turns is ignored: its reply subject is no inbox")
		return
	case t.turns.open.Add(1) > maxAnswers:
		t.turns.open.Add(-1)
		t.log.Warn("question for turns is ignored: too many wait for an answer")
		return // it is asked again
	}
	t.running.Go(func() { // ends by itself
		var answer []byte
		if s := t.newest(uint32(shard)); s != nil {
			answer, _ = s.AnswerTurns(uint32(shard), m.Data[n:])
		}
		t.later(m.Reply, answer, &t.turns.open)
	})
}
