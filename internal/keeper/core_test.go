package keeper

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/state"
)

// script drives a core by hand: it notes what the core wants.
type script struct {
	t *testing.T
	*core
	fences []fence
	sends  []send
	looks  []look
	said   []string
}

func newScript(t *testing.T) *script {
	s := &script{t: t, core: newCore(7, state.Owner{})}
	s.see()
	return s
}

// see takes the effects; what was there before is forgotten.
func (s *script) see() {
	s.fences, s.sends, s.looks, s.said = nil, nil, nil, nil
	for es := s.take(); len(es) > 0; es = s.take() {
		for _, e := range es {
			switch e := e.(type) {
			case fence:
				s.fences = append(s.fences, e)
			case send:
				s.sends = append(s.sends, e)
			case look:
				s.looks = append(s.looks, e)
			case answer:
				e.done(e.rev, e.err)
			case pause:
				s.said = append(s.said, "pause")
			case gone:
				s.said = append(s.said, "gone")
			}
		}
	}
}

func (s *script) change(key string) {
	s.commit(set(key, 1), func(_ state.Rev, err error) {
		s.said = append(s.said, fmt.Sprint(key, " ", err))
	})
	s.see()
}

func (s *script) held(n uint64) state.Token {
	token := state.Token{Shard: 7, N: n, By: "me"}
	s.opened(s.fences[0].id, token, nil)
	s.see()
	return token
}

func (s *script) want(said ...string) {
	s.t.Helper()
	if !slices.Equal(s.said, said) {
		s.t.Errorf("it said %q, want %q", s.said, said)
	}
}

var errNone = errors.New("no answer")

// A look that fails moves the fence once more, and all looks begin anew: an answer to an
// earlier one says nothing, and is counted by nobody.
func TestLooksThatFail(t *testing.T) {
	s := newScript(t)
	s.held(1)
	s.change("a")
	a := s.sends[0]
	s.change("b")
	b := s.sends[0]
	s.committed(a.op, a.try, 0, errNone)
	s.see()
	second := s.held(2)
	if len(s.looks) != 2 {
		t.Fatalf("looks %+v", s.looks)
	}
	s.looked(a.op, second, false, 0, errNone)
	s.see()
	s.want("pause")
	s.again()
	s.see()
	third := s.held(3)
	s.looked(b.op, second, false, 0, state.ErrDeposed) // by the own move
	s.see()
	s.want()
	s.looked(a.op, third, false, 0, nil)
	s.see()
	if len(s.sends) != 0 {
		t.Errorf("%+v goes out while b is in doubt", s.sends)
	}
	s.looked(b.op, third, true, 5, nil)
	if s.status != open {
		t.Errorf("status %d", s.status)
	}
	s.see()
	s.want("b <nil>")
	if len(s.sends) != 1 || s.sends[0].change.Token != third || s.sends[0].change.Key != "a" || s.sends[0].try == a.try {
		t.Errorf("sent %+v", s.sends)
	}
}

// A definite answer ends a doubt that is being looked into.
func TestAnswerWhileItIsLookedFor(t *testing.T) {
	for _, answer := range []error{nil, state.ErrFull, state.ErrDeposed} {
		s := newScript(t)
		s.held(1)
		s.change("a")
		a := s.sends[0]
		s.committed(a.op, a.try, 0, errNone)
		s.see()
		second := s.held(2)
		s.committed(a.op, a.try, 4, answer)
		s.see()
		if s.status != open || s.core.looks != 0 {
			t.Errorf("%v: status %d, %d looks", answer, s.status, s.core.looks)
		}
		if answer == state.ErrDeposed { // by the own fence: surely not, and again
			if len(s.sends) != 1 || s.sends[0].change.Token != second {
				t.Errorf("sent %+v", s.sends)
			}
			continue
		}
		s.want(fmt.Sprint("a ", answer))
		s.looked(a.op, second, true, 4, nil) // late
		s.see()
		s.want()
	}
}

// What cannot be read is its key's affair: the others go on.
func TestUnreadableRecord(t *testing.T) {
	s := newScript(t)
	s.held(1)
	s.change("a")
	a := s.sends[0]
	s.committed(a.op, a.try, 0, errNone)
	s.see()
	second := s.held(2)
	s.looked(a.op, second, false, 0, state.ErrUnreadable)
	s.see()
	s.want(fmt.Sprint("a ", inDoubt(state.ErrUnreadable)))
	if s.status != open {
		t.Errorf("status %d", s.status)
	}
}

// A node of another cluster, or of an earlier epoch, opens nothing.
func TestOpeningIsRefused(t *testing.T) {
	s := newScript(t)
	s.change("a")
	s.opened(s.asked, state.Token{}, state.ErrOtherCluster)
	s.see()
	s.want("pause")
	if !errors.Is(s.why, state.ErrOtherCluster) {
		t.Errorf("why: %v", s.why)
	}
	s.again()
	s.see()
	s.opened(s.fences[0].id, state.Token{}, state.ErrDeposed)
	s.see()
	s.want("a "+state.ErrDeposed.Error(), "gone")
}
