package coordinator

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// asks is a member that asks others.
type asks struct {
	*ear
	asked  atomic.Int64
	count  atomic.Int64 // of members that it does not reach
	counts []int        // all that it was told, to be read when it has ended
	said   strings.Builder
	answer func(ctx context.Context, owner string) (string, error)
}

func (a *asks) Unreachable(count int) {
	a.c.Health() // as metrics may: no lock is held
	a.count.Store(int64(count))
	a.counts = append(a.counts, count)
}

func (a *asks) Ask(ctx context.Context, shard uint32) (string, error) {
	a.asked.Add(1)
	return a.answer(ctx, a.cl.ownerOf(shard))
}

// ownerOf returns the node that serves a shard.
func (cl *cluster) ownerOf(shard uint32) string {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	for at, m := range cl.used {
		if g := cl.serving[shard]; g != nil && at == [2]uint64{uint64(shard), g.Epoch} {
			return m.name
		}
	}
	return ""
}

// three are nodes that share the shards; the first asks.
func (cl *cluster) three(answer func(ctx context.Context, owner string) (string, error)) (a *asks, b, c *member) {
	cl.t.Helper()
	b, c = cl.start("b"), cl.start("c")
	a = &asks{ear: &ear{member: cl.member("a")}, answer: answer}
	a.log = slog.New(slog.NewTextHandler(&a.said, nil))
	cl.run(a.member, a, 0)
	time.Sleep(30 * time.Second)
	cl.wantOwners("a", "b", "c")
	return a, b, c
}

// TestPairIsToldOf: a member that does not answer, and goes on renewing its lease, is told once, by its
// name, until it answers. No shard moves.
func TestPairIsToldOf(t *testing.T) {
	for name, err := range map[string]error{
		"silence":       context.DeadlineExceeded,
		"no subscriber": outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard 1"),
		"nobody there":  outcome.Errorf(outcome.ErrNotOwner, "no owner at the moment").WithOutcome(outcome.NotStarted),
		"no answer":     outcome.Errorf(outcome.ErrEnvelopeExpired, "no answer").WithOutcome(outcome.MaybeRan),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				var apart atomic.Bool
				a, b, c := cl.three(func(_ context.Context, owner string) (string, error) {
					if apart.Load() && owner == "b" {
						return "", err
					}
					return owner, nil
				})
				opened := cl.opened.Load()
				if h := a.c.Health(); len(h.Unreachable) > 0 || a.asked.Load() < 5 {
					t.Errorf("%d questions, and %q are not reached", a.asked.Load(), h.Unreachable)
				}
				apart.Store(true)
				time.Sleep(time.Minute)
				if h := a.c.Health(); !slices.Equal(h.Unreachable, []string{"b"}) || a.count.Load() != 1 {
					t.Errorf("%q are not reached; the metrics say %d", h.Unreachable, a.count.Load())
				}
				apart.Store(false)
				time.Sleep(5 * time.Second)
				if h := a.c.Health(); len(h.Unreachable) > 0 || a.count.Load() != 0 {
					t.Errorf("all answer, and %q are not reached; the metrics say %d", h.Unreachable, a.count.Load())
				}
				if n := cl.opened.Load() - opened; n != 0 {
					t.Errorf("%d shards have moved", n)
				}
				end(a.member, b, c)
			})
		})
	}
}

// TestRefusalIsAnAnswer: so is the word of the next owner, which says nothing of this one. A connection
// that is away says nothing of anyone.
func TestRefusalIsAnAnswer(t *testing.T) {
	for name, answer := range map[string]func(context.Context, string) (string, error){
		"refused": func(context.Context, string) (string, error) {
			return "", outcome.Errorf(outcome.ErrOverloaded, "full").WithOutcome(outcome.NotStarted)
		},
		"another's": func(context.Context, string) (string, error) { return "x", nil },
		"no connection": func(context.Context, string) (string, error) {
			return "", outcome.Errorf(outcome.ErrDisconnected, "away")
		},
		"connection lost": func(context.Context, string) (string, error) {
			return "", outcome.Errorf(outcome.ErrConnectionLost, "away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				a, b, c := cl.three(answer)
				time.Sleep(time.Minute)
				if h := a.c.Health(); len(h.Unreachable) > 0 {
					t.Errorf("%q are not reached", h.Unreachable)
				}
				end(a.member, b, c)
			})
		})
	}
}

// TestDeadMemberIsNoPair: a member that dies is not told, and one that leaves is forgotten.
func TestDeadMemberIsNoPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var away atomic.Pointer[string]
		a, b, c := cl.three(func(ctx context.Context, owner string) (string, error) {
			if name := away.Load(); name != nil && owner == *name {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return owner, nil
		})
		dies := "b"
		away.Store(&dies)
		b.cut.Store(true)
		for range 30 {
			time.Sleep(time.Second)
			if h := a.c.Health(); len(h.Unreachable) > 0 {
				t.Fatalf("%q are not reached", h.Unreachable)
			}
		}
		leaves := "c"
		away.Store(&leaves)
		time.Sleep(20 * time.Second)
		if h := a.c.Health(); !slices.Equal(h.Unreachable, []string{"c"}) {
			t.Errorf("%q are not reached", h.Unreachable)
		}
		end(c)
		time.Sleep(5 * time.Second)
		if h := a.c.Health(); len(h.Unreachable) > 0 || a.count.Load() != 0 {
			t.Errorf("%q are not reached", h.Unreachable)
		}
		b.stop()
		end(a.member)
		<-b.ended
	})
}

// TestNoMemberReachesNoOne: a node that is no member any more, because it was declared dead or leaves,
// has no member that it does not reach.
func TestNoMemberReachesNoOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b, c := cl.three(func(_ context.Context, owner string) (string, error) {
			if owner == "b" {
				return "", context.DeadlineExceeded
			}
			return owner, nil
		})
		time.Sleep(time.Minute)
		a.cut.Store(true)
		time.Sleep(time.Minute)
		cl.wantOwners("b", "c")
		a.cut.Store(false)
		time.Sleep(time.Minute)
		if h := a.c.Health(); !slices.Equal(h.Unreachable, []string{"b"}) {
			t.Errorf("the node has come again, and %q are not reached", h.Unreachable)
		}
		end(a.member, b, c)
		if h := a.c.Health(); len(h.Unreachable) > 0 {
			t.Errorf("the node has left, and %q are not reached", h.Unreachable)
		}
		if want := []int{1, 0, 1, 0}; !slices.Equal(a.counts, want) {
			t.Errorf("the metrics were told %v, want %v", a.counts, want)
		}
	})
}

// TestRightsSayNothingOfAPair: a node that may not send to a member is told so once. The member counts as
// neither reached nor missed.
func TestRightsSayNothingOfAPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var answer atomic.Pointer[error] // of b
		denied := outcome.Errorf(outcome.ErrNotPermitted, "not to b")
		a, b, c := cl.three(func(_ context.Context, owner string) (string, error) {
			if err := answer.Load(); err != nil && owner == "b" {
				return "", *err
			}
			return owner, nil
		})
		for i, err := range []error{denied, context.DeadlineExceeded, denied} {
			answer.Store(&err)
			time.Sleep(time.Minute)
			if h := a.c.Health(); (len(h.Unreachable) > 0) != (i > 0) {
				t.Errorf("after %d changes %q are not reached", i, h.Unreachable)
			}
		}
		end(a.member, b, c)
		if n := strings.Count(a.said.String(), "this node may not send to a member"); n != 1 || !strings.Contains(a.said.String(), "not to b") {
			t.Errorf("%d lines say that the node may not send:\n%s", n, &a.said)
		}
	})
}
