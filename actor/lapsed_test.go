package actor_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
)

// lease is a node's, which a test takes and gives.
type lease struct{ over atomic.Bool }

func (l *lease) lapsed(uint32) bool { return l.over.Load() }

// journal is what the turns of one key were for.
type journal struct {
	mu    sync.Mutex
	turns []string
}

func (j *journal) note(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.turns = append(j.turns, what)
}

func (j *journal) want(t testing.TB, when string, turns ...string) {
	t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.turns, turns) {
		t.Errorf("%s the turns were %q, want %q", when, j.turns, turns)
	}
}

// receive is a protoactor actor that notes mail and calls.
func (j *journal) receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *pactor.Started:
		j.note("started")
	case *pactor.Stopped:
		j.note("stopped")
	case *pactor.ReceiveTimeout:
		j.note("timeout")
	case string:
		j.note(m)
		if ctx.Sender() != nil {
			ctx.Respond(m)
		}
	case *actor.Message:
		j.note(m.Type)
		if m.Type == "alarm" {
			ctx.SetReceiveTimeout(time.Second)
		}
		ctx.Respond(nil)
	}
}

// mail sends to key "k" by process id.
func (w *world) mail(m any) {
	proto := w.system.Proto()
	proto.Root.Send(proto.NewLocalPID("clstr-1/0/k"), m)
}

// refusedAsLapsed fails the test unless the key refuses at once, as one whose
// shard may be another's.
func (w *world) refusedAsLapsed(key string) {
	w.Helper()
	c := newCall()
	if err := w.Deliver(0, key, c); !errors.Is(err, actor.ErrLapsed) || c.starts+c.answers != 0 {
		w.Errorf("a message to a key whose shard may be another's: %v, want ErrLapsed", err)
	}
}

// TestMailByProcessIDWaitsForTheLease: a deposed owner's actors do nothing beside
// the next owner's, and go on in order if there is none.
func TestMailByProcessIDWaitsForTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l lease
		var j journal
		w := newWorld(t, actor.HostOptions{Factory: raw(j.receive), Lapsed: l.lapsed})
		w.want("k", "alarm", "")
		l.over.Store(true)
		for _, m := range []string{"a", "b", "c"} {
			w.mail(m)
		}
		pass(time.Minute)
		j.want(t, "without the lease", "started", "alarm")
		l.over.Store(false)
		pass(100 * time.Millisecond)
		j.want(t, "with it again", "started", "alarm", "a", "b", "c", "timeout")
		l.over.Store(true)
		w.mail("d")
		pass(time.Minute)
		l.over.Store(false)
		pass(100 * time.Millisecond)
		j.want(t, "after a second time", "started", "alarm", "a", "b", "c", "timeout", "d")
	})
}

// TestCallsDoNotWaitBehindMail that waits for the lease: another node may serve
// them.
func TestCallsDoNotWaitBehindMail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l lease
		var j journal
		gate := make(chan struct{})
		w := newWorld(t, actor.HostOptions{Lapsed: l.lapsed, Factory: raw(func(ctx pactor.Context) {
			j.receive(ctx)
			if ctx.Message() == "block" {
				<-gate
			}
		})})
		w.want("k", "go", "")
		w.mail("block")
		synctest.Wait()
		w.mail("a")
		calls := []*call{w.send("k", "behind"), w.send("k", "behind")}
		w.mail("b")
		l.over.Store(true)
		close(gate)
		for _, c := range calls {
			if _, err := c.wait(t); !errors.Is(err, actor.ErrLapsed) || c.starts != 0 {
				t.Errorf("a call behind mail that waits: %v, %d starts; want ErrLapsed", err, c.starts)
			}
			c.check(t)
		}
		w.refusedAsLapsed("k")
		j.want(t, "without the lease", "started", "go", "block")
		l.over.Store(false)
		began := time.Now()
		w.want("k", "at once", "") // the lease is back, and the shard has not looked
		if took := time.Since(began); took != 0 {
			t.Errorf("a call with the lease again took %v", took)
		}
		j.want(t, "with it again", "started", "go", "block", "a", "b", "at once")
	})
}

// TestMailThatWaitsWhenTheShardEnds is refused as any other, and nothing goes on
// looking.
func TestMailThatWaitsWhenTheShardEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l lease
		var j journal
		var asked atomic.Int32
		lapsed := func(shard uint32) bool { asked.Add(1); return l.lapsed(shard) }
		w := newWorld(t, actor.HostOptions{Factory: raw(j.receive), Lapsed: lapsed})
		w.want("k", "go", "")
		l.over.Store(true)
		proto := w.system.Proto()
		waits := proto.Root.RequestFuture(proto.NewLocalPID("clstr-1/0/k"), "a", time.Minute)
		pass(time.Second)
		w.endShard(0, true)
		if _, err := waits.Result(); !errors.Is(err, pactor.ErrDeadLetter) {
			t.Errorf("who waits was told %v", err)
		}
		synctest.Wait() // a look may have been on its way
		before := asked.Load()
		pass(time.Minute)
		if n := asked.Load() - before; n != 0 {
			t.Errorf("the shard has looked %d times after its end", n)
		}
		l.over.Store(false)
		w.want("k", "again", "")
		j.want(t, "in the end", "started", "go", "stopped", "started", "again")
	})
}

// TestNoActivationWithoutTheLease, neither for a call nor after a stop or a
// panic.
func TestNoActivationWithoutTheLease(t *testing.T) {
	for name, last := range map[string]func(pactor.Context){
		"a stop":  func(ctx pactor.Context) { ctx.Stop(ctx.Self()) },
		"a panic": func(pactor.Context) { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var l lease
				var j journal
				gate := make(chan struct{})
				w := newWorld(t, actor.HostOptions{Lapsed: l.lapsed, Factory: raw(func(ctx pactor.Context) {
					j.receive(ctx)
					if ctx.Message() == "last" {
						<-gate
						last(ctx)
					}
				})})
				w.want("k", "go", "")
				w.mail("last")
				synctest.Wait()
				call := w.send("k", "behind")
				w.mail("a")
				l.over.Store(true)
				close(gate)
				if _, err := call.wait(t); !errors.Is(err, actor.ErrLapsed) {
					t.Errorf("who waits was told %v, want ErrLapsed", err)
				}
				w.refusedAsLapsed("other")
				pass(time.Second)
				if w.Active() != 0 {
					t.Errorf("%d active", w.Active())
				}
				l.over.Store(false)
				w.want("k", "again", "")
			})
		})
	}
}
