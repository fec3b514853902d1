package command

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

func (s *shelf) take(k *Known) *state.Spill {
	s.record = state.Record{Number: s.record.Number + 1}
	spill := k.Into(&s.record, time.Now())
	k.Stored()
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

// forgotten is the Verdict of look on what the key knows still, and the store does not.
const forgotten Verdict = 100

// look is find, with the store behind it.
func (s *shelf) look(k *Known, c Command) (Verdict, string) {
	v, reply := k.Find(c, time.Now())
	if v == Unread {
		k.Read(s.read(), time.Now())
		v, reply = k.Find(c, time.Now())
	}
	if v == Spilled {
		is, ok := c.In(s.read())
		if !ok {
			return forgotten, ""
		}
		if v, reply = Done, is.Reply; is.Begun {
			v = Begun
		}
	}
	return v, string(reply)
}

// TestCommandsAreNotForgotten carries out commands at random, small and large, for a key that
// ends and begins anew: within the window each is known, with its reply, and no change is
// larger than a store takes.
func TestCommandsAreNotForgotten(t *testing.T) {
	seeds := uint64(30)
	if raced {
		seeds = 6
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			const window = 10 * time.Minute
			rnd := rand.New(rand.NewPCG(seed, 0))
			most := []int{1, 50, 1000, MaxReply}[rnd.IntN(4)]
			type given struct {
				at    time.Time
				begun bool // and has not ended
				reply string
			}
			wants := func(g given) Verdict {
				if g.begun {
					return Begun
				}
				return Done
			}
			known := map[string]given{}
			s := &shelf{}
			k := New(window)
			changes := 0
			for n := range 1500 {
				id := fmt.Sprint("order-", n)
				c := Of(id, "Pay", "", []byte(id))
				if v, _ := s.look(&k, c); v != Fresh {
					t.Fatalf("seed %d: command %d is %d before it was carried out", seed, n, v)
				}
				for k.Room(time.Now()) > 0 {
					<-time.After(k.Room(time.Now()))
				}
				if k.Full() || rnd.IntN(3) == 0 {
					spill := s.take(&k)
					changes++
					change := state.Change{Token: state.Token{N: 1}, Kind: "k", Key: "k", Record: &s.record, Spill: spill}
					if err := change.Check(); err != nil || len(s.record.Commands) > recentIDs || change.Bytes() > 64<<10 {
						t.Fatalf("seed %d: %d commands, %d bytes: %v", seed, len(s.record.Commands), change.Bytes(), err)
					}
				}
				reply := string(make([]byte, rnd.IntN(most)))
				if rnd.IntN(4) == 0 { // it is answered later, or never
					k.Begin(c, time.Now())
					known[id] = given{time.Now(), true, ""}
				} else {
					k.Add(c, []byte(reply), time.Now())
					known[id] = given{time.Now(), false, reply}
				}
				if other := fmt.Sprint("order-", n-rnd.IntN(min(n+1, 200))); known[other].begun && !k.Full() {
					k.Add(Of(other, "Pay", "", []byte(other)), []byte(reply), time.Now())
					known[other] = given{time.Now(), false, reply}
				}
				switch rnd.IntN(20) {
				case 0:
					<-time.After(time.Duration(rnd.IntN(60)) * time.Second)
				case 1: // the key ends, and begins anew
					s.take(&k)
					k = New(window)
					k.Load(&s.record)
				}
				for range 3 {
					other := fmt.Sprint("order-", rnd.IntN(n+1))
					what, is := known[other], Of(other, "Pay", "", []byte(other))
					if v, got := s.look(&k, is); time.Since(what.at) <= window && v != wants(what) {
						t.Fatalf("seed %d: command %s, %v old, is forgotten: %d", seed, other, time.Since(what.at), v)
					} else if v == Done && got != what.reply {
						t.Fatalf("seed %d: command %s has a reply of %d bytes, want %d", seed, other, len(got), len(what.reply))
					}
					is.Sum[0]++
					if v, _ := s.look(&k, is); time.Since(what.at) <= window && v != Reused {
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
		k := New(window)
		n := 0
		for ; k.Room(time.Now()) == 0; n++ {
			k.Add(Of(fmt.Sprint(n), "", "", nil), nil, time.Now())
			k.Into(&state.Record{}, time.Now())
			k.Stored()
		}
		if n < maxSpills*recentIDs || n > (maxSpills+1)*recentIDs {
			t.Fatalf("full after %d", n)
		}
		wait := k.Room(time.Now())
		if wait < window || wait > window+spillMargin+time.Second {
			t.Errorf("room in %v", wait)
		}
		if v, _ := k.Find(Of("0", "", "", nil), time.Now()); v != Spilled {
			t.Errorf("the first is %d", v)
		}
		<-time.After(wait)
		if k.Room(time.Now()) != 0 {
			t.Error("no room after the wait")
		}
	})
}

// TestOtherCommands: type and payload tell commands apart, also where the end of one is the
// beginning of the other.
func TestOtherCommands(t *testing.T) {
	a := Of("1", "Pay", "", []byte("x"))
	for _, b := range []Command{Of("1", "Payx", "", nil), Of("1", "Pa", "", []byte("yx")), Of("1", "Pay", "", []byte("y")), Of("1", "Pay", "cbor", []byte("x"))} {
		if b.ID != a.ID || b.Sum == a.Sum {
			t.Errorf("%+v", b)
		}
	}
}
