package host_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
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
	case *host.Message:
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
	if err := w.Deliver(0, key, c); !errors.Is(err, outcome.ErrNotOwner) || c.starts+c.answers != 0 {
		w.Errorf("a message to a key whose shard may be another's: %v, want ErrLapsed", err)
	}
}

// TestMailByProcessIDWithoutTheLease becomes a dead letter, so that a deposed owner's
// actors do nothing beside the next owner's. A receive timeout comes when the lease is back.
func TestMailByProcessIDWithoutTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l lease
		var j journal
		gate := make(chan struct{})
		w := newWorld(t, host.Options{Lapsed: l.lapsed, Factory: raw(func(ctx pactor.Context) {
			j.receive(ctx)
			if ctx.Message() == "block" {
				<-gate
			}
		})})
		w.want("k", "alarm", "")
		w.mail("block")
		synctest.Wait()
		proto := w.system.Proto()
		asks := func() *pactor.Future {
			return proto.Root.RequestFuture(proto.NewLocalPID("clstr-1/0/k"), "asked", time.Hour)
		}
		dead := []*pactor.Future{asks()} // before the lease ends
		call := w.send("k", "behind")
		l.over.Store(true)
		dead = append(dead, asks())
		close(gate)
		for _, f := range dead {
			if _, err := f.Result(); !errors.Is(err, pactor.ErrDeadLetter) {
				t.Errorf("the sender of mail is told %v, want ErrDeadLetter", err)
			}
		}
		if _, err := call.settled(t); err != nil { // its own gate lets it pass
			t.Error(err)
		}
		pass(time.Minute)
		j.want(t, "without the lease", "started", "alarm", "block", "behind")
		l.over.Store(false)
		pass(2 * time.Second)
		w.mail("a")
		j.want(t, "with it again", "started", "alarm", "block", "behind", "timeout", "a")
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
				w := newWorld(t, host.Options{Lapsed: l.lapsed, Factory: raw(func(ctx pactor.Context) {
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
				if _, err := call.wait(t); !errors.Is(err, outcome.ErrNotOwner) {
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
