package dispatch

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// looked is a place in line that counts how often it is looked at.
type looked struct {
	now   *turn.Turn
	looks *atomic.Int64
}

// Running implements turn.Place.
func (l *looked) Running() *turn.Turn { l.looks.Add(1); return l.now }

// largest is the longest list of turns that a wire takes, with one number all through.
func largest(number uint64) (t *Turn) {
	name := strings.Repeat("n", turn.MaxName)
	for range turn.Most {
		t = &Turn{Shard: 1<<32 - 1, Role: 255, Number: number, Kind: name, Key: name, By: t}
	}
	return t
}

// TestForgedTurnsCostLittle: a client may write the largest list of turns into all that
// it sends, of one number. An answer about that number looks at so many calls and no more, and nothing is left of them.
func TestForgedTurnsCostLittle(t *testing.T) {
	turns, calls := turn.Known()
	const number, forged = 7, 3 * mostLooks
	b := &book{}
	s := b.sub(t, transport.Limits{MaxPending: -1})
	var looks atomic.Int64
	held := ofTurn(t, s, b, 0, nil) // and waits, so that it is in an answer
	Waiting(held).Wait(3)
	var all []*Call
	for range forged {
		c := NewCall(transport.Envelope{}, &inbox{}, 0)
		c.SetWaiting(largest(number))
		s.Dispatch(c)
		c.Queued(&looked{Waiting(held), &looks})
		all = append(all, c)
	}
	q := question{Numbers: []uint64{number}}
	for n := range uint64(mostAsked - 1) {
		q.Numbers = append(q.Numbers, number+1+n)
	}
	for _, drains := range []bool{false, true} {
		q.Drains = drains
		if drains {
			s.standing.Drain()
		}
		looks.Store(0)
		if _, err := s.AnswerTurns(0, q.encode()); err != nil {
			t.Fatal(err)
		}
		if n := looks.Load(); n == 0 || n > mostLooks {
			t.Errorf("drains %v: %d calls were looked at for one answer", drains, n)
		}
	}
	for i, c := range all { // from both ends
		if i%2 == 1 {
			c = all[len(all)-i]
		}
		c.Refuse(outcome.New(outcome.ErrDraining))
	}
	held.Reply(nil, nil)
	held.End()
	if n, m := turn.Known(); n != turns || m != calls {
		t.Errorf("%d turns and %d calls are known at the end, want %d and %d", n, m, turns, calls)
	}
}
