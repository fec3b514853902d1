package host

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/pool"
)

// nowhere is a pool that runs nothing.
type nowhere struct{}

func (nowhere) Go(pool.Task)      {}
func (nowhere) GoFirst(pool.Task) {}

// TestANewKeyIsSpawnedAtOnce: when the delivery of its first message returns, it is a child of its shard's supervisor, and
// its process id is taken.
func TestANewKeyIsSpawnedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSystem(slog.New(slog.DiscardHandler), nowhere{})
		defer s.Close()
		h := s.NewHost(Options{Factory: func(string) (Actor, error) { return simple{}, nil }})
		shard := h.makeShard(3, false)
		synctest.Wait() // the supervisor has started
		for i := range 10 {
			key := "a key/" + strconv.Itoa(i)
			if err := shard.deliver(key, &Context{call: answering{Context: t.Context()}}); err != nil {
				t.Fatal(err)
			}
			c := shard.find(key)
			pid := c.self()
			if pid == nil || c.mailbox.stands().life != live {
				t.Fatalf("%s was not spawned: %+v", key, c.mailbox.stands())
			}
			if _, there := s.as.ProcessRegistry.Get(pid); !there {
				t.Errorf("nothing is under %s", pid.Id)
			}
			if parent := c.mailbox.invoker.(pactor.Context).Parent(); !parent.Equal(shard.supervisor.pid) {
				t.Errorf("its parent is %v", parent)
			}
			if of := shard.supervisor.desk.invoker.(pactor.Context).Children(); !slices.ContainsFunc(of, func(p *PID) bool { return pid.Equal(p) }) {
				t.Errorf("it is not among the supervisor's children: %v", of)
			}
		}
	})
}

// deskOf returns a desk with an invoker that calls f for each message, with what kind of message it is.
func deskOf(f func(kind string, m any)) *desk {
	d := &desk{}
	d.RegisterHandlers(invoking(f), nil)
	return d
}

type invoking func(kind string, m any)

func (f invoking) InvokeSystemMessage(m any)  { f("system", m) }
func (f invoking) InvokeUserMessage(m any)    { f("mail", m) }
func (f invoking) EscalateFailure(why, m any) { f("failure", fmt.Sprint(why)) }

// TestDeskHoldsUpNoDelivery: a key that comes while the supervisor is at work waits for its turn, and the goroutine
// that brings it goes on. Protoactor's own messages go first.
func TestDeskHoldsUpNoDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var seen []any // on the turns
		d := deskOf(func(_ string, m any) {
			if m == "slow" {
				<-gate
			}
			seen = append(seen, m)
		})
		a, b, c := &cell{key: "a"}, &cell{key: "b"}, &cell{key: "c"}
		d.spawn(a)
		d.PostSystemMessage("slow")
		d.spawn(b)
		d.PostUserMessage(nil)
		d.spawn(c)
		d.PostSystemMessage("first")
		if n := d.UserMessageCount(); n != 3 {
			t.Errorf("%d wait", n)
		}
		close(gate)
		synctest.Wait()
		if want := []any{a, "slow", "first", b, nil, c}; !slices.Equal(seen, want) {
			t.Errorf("got %v, want %v", seen, want)
		}
		d.spawn(a)
		if len(seen) != 7 {
			t.Error("it was not idle again")
		}
	})
}

// TestDeskGoesOn: what comes on the turn of a delivery has a goroutine afterwards.
func TestDeskGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mine, other atomic.Bool
		var d *desk
		b := &cell{key: "b"}
		d = deskOf(func(kind string, m any) {
			switch {
			case m == any(b):
				mine.Store(true)
			case kind == "mail":
				d.spawn(b)
				d.PostSystemMessage("system")
				if mine.Load() {
					t.Error("a turn began on another")
				}
			default:
				other.Store(!mine.Load())
			}
		})
		d.spawn(&cell{key: "a"})
		synctest.Wait()
		if !mine.Load() || !other.Load() {
			t.Errorf("handled: the key %v, the other before it %v", mine.Load(), other.Load())
		}
	})
}

// TestASuspendedDeskSpawnsNothing until it is resumed, and hears of system messages meanwhile.
func TestASuspendedDeskSpawnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []any
		d := deskOf(func(_ string, m any) { seen = append(seen, m) })
		a := &cell{key: "a"}
		d.PostSystemMessage(&pactor.SuspendMailbox{})
		synctest.Wait()
		d.spawn(a)
		d.PostUserMessage("mail")
		d.PostSystemMessage("system")
		synctest.Wait()
		if want := []any{"system"}; !slices.Equal(seen, want) {
			t.Errorf("while suspended: %v", seen)
		}
		d.PostSystemMessage(&pactor.ResumeMailbox{})
		synctest.Wait()
		if want := []any{"system", a, "mail"}; !slices.Equal(seen, want) {
			t.Errorf("got %v, want %v", seen, want)
		}
	})
}

// TestADeskOutlivesItsTurns: a turn that panics is escalated, on each of the two ways, and one that ends its goroutine
// ends nothing else.
func TestADeskOutlivesItsTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []any
		d := deskOf(func(kind string, m any) {
			c, is := m.(*cell)
			if is && c.key == "exits" || m == "exits" {
				runtime.Goexit()
			}
			if is && c.key == "fails" || m == "fails" {
				panic(kind)
			}
			seen = append(seen, m)
		})
		d.spawn(&cell{key: "fails"})
		d.PostSystemMessage("fails")
		d.PostUserMessage("fails")
		d.PostUserMessage("exits")
		d.PostUserMessage("last")
		synctest.Wait()
		go d.spawn(&cell{key: "exits"})
		synctest.Wait()
		d.spawn(&cell{key: "a"})
		if len(seen) != 5 {
			t.Errorf("the turn is still taken: %v", seen)
			return
		}
		if want := []any{"mail", "system", "mail", "last"}; !slices.Equal(seen[:4], want) {
			t.Errorf("got %v, want %v", seen, want)
		}
	})
}

// TestADeskHasOneTurnAtATime, also if goroutines bring all sorts of messages at once, and loses nothing. The race detector sees two turns at once.
func TestADeskHasOneTurnAtATime(t *testing.T) {
	const each = 200
	n, all := 0, make(chan struct{})
	d := deskOf(func(string, any) {
		if n++; n == 8*each {
			close(all)
		}
	})
	var senders sync.WaitGroup
	for g := range 8 {
		senders.Go(func() {
			for range each {
				switch g % 4 {
				case 0:
					d.PostSystemMessage("system")
				case 1:
					d.PostUserMessage("mail")
				default:
					d.spawn(&cell{})
				}
			}
		})
	}
	senders.Wait()
	<-all
}

// TestAStoppedSupervisorRefuses: an actor may stop its parent. What comes to the shard then is refused, so that its sender
// looks for another.
func TestAStoppedSupervisorRefuses(t *testing.T) {
	p := pool.New(-1)
	s := NewSystem(slog.New(slog.DiscardHandler), p)
	h := s.NewHost(Options{Factory: func(string) (Actor, error) { return simple{}, nil }})
	shard := h.makeShard(0, false)
	a := answering{Context: t.Context(), answered: make(chan struct{})}
	if err := h.Deliver(0, "k", a); err != nil {
		t.Fatal(err)
	}
	<-a.answered
	s.as.Root.Stop(shard.supervisor.pid)
	<-shard.supervisor.done
	if err := shard.deliver("other", &Context{call: answering{Context: t.Context()}}); err == nil {
		t.Error("a shard without a supervisor has taken a message")
	}
	b := answering{Context: t.Context(), answered: make(chan struct{})}
	if err := h.Deliver(0, "k", b); err != nil {
		t.Fatal(err)
	}
	<-b.answered
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	p.Close()
}
