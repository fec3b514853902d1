package host

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
)

// shelf is what a store has of one key: a record, and groups beside it with their ends.
type shelf struct {
	record state.Record
	beside []state.Entry
	until  []time.Time
}

func (s *shelf) take(cs *commands) *state.Spill {
	s.record = state.Record{Number: s.record.Number + 1}
	spill := cs.into(&s.record, time.Now())
	cs.stored()
	if spill != nil {
		s.beside = append(s.beside, state.Entry{Commands: spill.Commands, TTL: spill.TTL})
		s.until = append(s.until, time.Now().Add(spill.TTL))
	}
	return spill
}

func (s *shelf) read() (es []state.Entry) {
	for i, e := range s.beside {
		if time.Now().Before(s.until[i]) {
			es = append(es, e)
		}
	}
	return es
}

// forgotten is the verdict of look on what the key knows still, and the store does not.
const forgotten verdict = 100

// look is find, with the store behind it.
func (s *shelf) look(cs *commands, c command) (verdict, string) {
	v, reply := cs.find(c, time.Now())
	if v == unread {
		cs.read(s.read(), time.Now())
		v, reply = cs.find(c, time.Now())
	}
	if v == spilled {
		is, ok := c.in(s.read())
		if !ok {
			return forgotten, ""
		}
		if v, reply = done, is.Reply; is.Begun {
			v = begun
		}
	}
	return v, string(reply)
}

// TestCommandsAreNotForgotten carries out commands at random, small and large, for a key that
// ends and begins anew: within the window each is known, with its reply, and no change is
// larger than a store takes.
func TestCommandsAreNotForgotten(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			const window = 10 * time.Minute
			rnd := rand.New(rand.NewPCG(seed, 0))
			most := []int{1, 50, 1000, maxReply}[rnd.IntN(4)]
			type given struct {
				at    time.Time
				begun bool // and has not ended
				reply string
			}
			wants := func(g given) verdict {
				if g.begun {
					return begun
				}
				return done
			}
			known := map[string]given{}
			s := &shelf{}
			cs := newCommands(window)
			changes := 0
			for n := range 1500 {
				id := fmt.Sprint("order-", n)
				c := commandOf(Message{ID: id, Type: "Pay", Data: []byte(id)})
				if v, _ := s.look(&cs, c); v != fresh {
					t.Fatalf("seed %d: command %d is %d before it was carried out", seed, n, v)
				}
				for cs.room(time.Now()) > 0 {
					<-time.After(cs.room(time.Now()))
				}
				if cs.full() || rnd.IntN(3) == 0 {
					spill := s.take(&cs)
					changes++
					change := state.Change{Token: state.Token{N: 1}, Kind: "k", Key: "k", Record: &s.record, Spill: spill}
					if err := change.Check(); err != nil || len(s.record.Commands) > recentIDs || change.Bytes() > 64<<10 {
						t.Fatalf("seed %d: %d commands, %d bytes: %v", seed, len(s.record.Commands), change.Bytes(), err)
					}
				}
				reply := string(make([]byte, rnd.IntN(most)))
				if rnd.IntN(4) == 0 { // it is answered later, or never
					cs.begin(c, time.Now())
					known[id] = given{time.Now(), true, ""}
				} else {
					cs.add(c, []byte(reply), time.Now())
					known[id] = given{time.Now(), false, reply}
				}
				if other := fmt.Sprint("order-", n-rnd.IntN(min(n+1, 200))); known[other].begun && !cs.full() {
					cs.add(commandOf(Message{ID: other, Type: "Pay", Data: []byte(other)}), []byte(reply), time.Now())
					known[other] = given{time.Now(), false, reply}
				}
				switch rnd.IntN(20) {
				case 0:
					<-time.After(time.Duration(rnd.IntN(60)) * time.Second)
				case 1: // the key ends, and begins anew
					s.take(&cs)
					cs = newCommands(window)
					cs.load(&s.record)
				}
				for range 3 {
					other := fmt.Sprint("order-", rnd.IntN(n+1))
					what, is := known[other], commandOf(Message{ID: other, Type: "Pay", Data: []byte(other)})
					if v, got := s.look(&cs, is); time.Since(what.at) <= window && v != wants(what) {
						t.Fatalf("seed %d: command %s, %v old, is forgotten: %d", seed, other, time.Since(what.at), v)
					} else if v == done && got != what.reply {
						t.Fatalf("seed %d: command %s has a reply of %d bytes, want %d", seed, other, len(got), len(what.reply))
					}
					is.sum[0]++
					if v, _ := s.look(&cs, is); time.Since(what.at) <= window && v != reused {
						t.Fatalf("seed %d: another command with ID %s: %d", seed, other, v)
					}
				}
			}
			if changes < 10 {
				t.Fatalf("%d changes", changes)
			}
		})
	}
}

// TestTooManyCommands: a key that still has to know as many as it may says for how long,
// and forgets none.
func TestTooManyCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = time.Minute
		cs := newCommands(window)
		n := 0
		for ; cs.room(time.Now()) == 0; n++ {
			cs.add(commandOf(Message{ID: fmt.Sprint(n)}), nil, time.Now())
			cs.into(&state.Record{}, time.Now())
			cs.stored()
		}
		if n < maxSpills*recentIDs || n > (maxSpills+1)*recentIDs {
			t.Fatalf("full after %d", n)
		}
		wait := cs.room(time.Now())
		if wait < window || wait > window+spillMargin+time.Second {
			t.Errorf("room in %v", wait)
		}
		if v, _ := cs.find(commandOf(Message{ID: "0"}), time.Now()); v != spilled {
			t.Errorf("the first is %d", v)
		}
		<-time.After(wait)
		if cs.room(time.Now()) != 0 {
			t.Error("no room after the wait")
		}
	})
}

// TestOtherCommands: type and payload tell commands apart, also where the end of one is the
// beginning of the other.
func TestOtherCommands(t *testing.T) {
	a := commandOf(Message{ID: "1", Type: "Pay", Data: []byte("x")})
	for _, m := range []Message{{ID: "1", Type: "Payx"}, {ID: "1", Type: "Pa", Data: []byte("yx")}, {ID: "1", Type: "Pay", Data: []byte("y")}} {
		if b := commandOf(m); b.id != a.id || b.sum == a.sum {
			t.Errorf("%+v", m)
		}
	}
	if b := commandOf(Message{ID: "1", Type: "Pay", Data: []byte("x"), Key: "k", Headers: map[string]string{"trace": "2"}}); b != a {
		t.Error("headers and keys make other commands")
	}
}
