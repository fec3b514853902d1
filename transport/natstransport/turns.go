// Questions of nodes about what turns wait for

package natstransport

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
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
	t    *Transport
	open atomic.Int32 // questions that are answered now, or wait to be sent
	mu   sync.Mutex
	asks map[*context.CancelCauseFunc]struct{} // of our own questions
}

// ask asks the owner of a shard what turns wait for there: see
// [dispatch.Dispatcher.SetAsk].
func (tn *turns) ask(ctx context.Context, shard uint32, question []byte) ([]byte, error) {
	t := tn.t
	if s := t.table.Newest(shard); s != nil && s.Epoch >= t.owners.EpochOf(shard) {
		return s.AnswerTurns(shard, question)
	}
	at, err := t.Request(ctx, transport.Envelope{Shard: int(shard), Type: turnsAt})
	if err != nil {
		return nil, err
	}
	if !t.link.IsInbox(string(at)) {
		return nil, outcome.Errorf(outcome.ErrReply, "shard %d: %d bytes are no inbox", shard, len(at))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tn.mu.Lock()
	tn.asks[&cancel] = struct{}{}
	tn.mu.Unlock()
	m, err := t.link.Conn().RequestWithContext(ctx, string(at), append(binary.AppendUvarint(nil, uint64(shard)), question...))
	tn.mu.Lock()
	delete(tn.asks, &cancel)
	tn.mu.Unlock()
	if denied, ok := errors.AsType[*outcome.Error](context.Cause(ctx)); ok {
		return nil, denied
	}
	if err != nil {
		return nil, link.NotSent(err)
	}
	return m.Data, nil
}

// deny ends all questions about turns, because the server permits none.
func (tn *turns) deny(why error) {
	tn.mu.Lock()
	defer tn.mu.Unlock()
	for cancel := range tn.asks {
		(*cancel)(outcome.Errorf(outcome.ErrNotPermitted, "%v", why))
	}
}

// tell answers a question of another node's. Only the reader calls it, which does
// not wait for the answer.
func (tn *turns) tell(m *nats.Msg) {
	t := tn.t
	shard, n := binary.Uvarint(m.Data)
	switch {
	case n <= 0 || shard > math.MaxUint32:
		t.packets.undecodable.Add(1)
		t.log.Warn("question for turns is ignored: it does not decode")
		return
	case !t.link.IsInbox(m.Reply): // what a client has a node send here, as a reply, has none
		t.packets.refused.Add(1)
		t.log.Warn("question for turns is ignored: its reply subject is no inbox")
		return
	case tn.open.Add(1) > maxAnswers:
		tn.open.Add(-1)
		t.log.Warn("question for turns is ignored: too many wait for an answer")
		return // it is asked again
	}
	t.running.Go(func() { // ends by itself
		var answer []byte
		if s := t.table.Newest(uint32(shard)); s != nil {
			answer, _ = s.AnswerTurns(uint32(shard), m.Data[n:])
		}
		t.later(m.Reply, answer, &tn.open)
	})
}
