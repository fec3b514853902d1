package host_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// limit is the hook timeout of these tests.
const limit = 10 * time.Second

// notes is a log that may be read while it is written.
type notes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

// refusedAsStuck fails the test unless the key refuses at once, as stuck.
func (w *world) refusedAsStuck(key string) {
	w.Helper()
	c := newCall()
	err := w.Deliver(0, key, c)
	if !isStuck(err) || c.starts+c.answers != 0 {
		w.Errorf("a message to a stuck key: %v, want that it is stuck", err)
	}
}

// TestStuckActivation: who waits is answered at the limit, the key is closed
// until the hook returns, and no second incarnation is ever made beside it.
func TestStuckActivation(t *testing.T) {
	for name, result := range map[string]error{"that succeeds at last": nil, "that fails at last": errBroken} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var live, made atomic.Int32 // of the key that is stuck
				gate := make(chan struct{})
				log := &notes{}
				w := newWorldOn(t, host.Options{Kind: "account", HookTimeout: limit, Factory: making(func(key string) *entity {
					if key != "k" {
						return &entity{}
					}
					first := made.Add(1) == 1
					return &entity{activate: func(c *host.Context) error {
						if live.Add(1) != 1 {
							t.Error("two incarnations")
						}
						if !first {
							return nil
						}
						if d, ok := c.Deadline(); !ok || time.Until(d) != limit {
							t.Errorf("a hook's deadline: in %v, %v", time.Until(d), ok)
						}
						<-c.Done()
						if !errors.Is(c.Err(), context.DeadlineExceeded) {
							t.Errorf("the hook's context ended with %v", c.Err())
						}
						<-gate
						if result != nil {
							live.Add(-1)
						}
						return result
					}}
				})}, log.logger(), -1)
				began := time.Now()
				calls := []*call{w.send("k", "a"), w.send("k", "b")}
				for _, c := range calls {
					_, err := c.wait(t)
					if took := time.Since(began); took != limit || !errors.Is(err, outcome.ErrActivationFailed) || !strings.Contains(err.Error(), "timeout") {
						t.Errorf("after %v: %v; want a failed activation after %v", took, err, limit)
					}
					c.check(t)
					if c.starts != 0 {
						t.Error("started")
					}
				}
				w.refusedAsStuck("k")
				proto := w.system.Proto()
				_, err := proto.Root.RequestFuture(proto.NewLocalPID("clstr-1/0/k"), "mail", time.Minute).Result()
				if !errors.Is(err, pactor.ErrDeadLetter) {
					t.Errorf("mail by process id: %v", err)
				}
				w.want("other", "go", "")
				pass(2 * time.Second) // it has one of them to heed the end of its context
				for _, part := range []string{"level=WARN", "key=k", "kind=account", "after=10s", "hook=activation"} {
					if !strings.Contains(log.String(), part) {
						t.Errorf("the log lacks %s: %s", part, log)
					}
				}
				close(gate)
				synctest.Wait()
				w.wantLater("k", "go", "")
				want := int32(1)
				if result != nil {
					want++
				}
				if n := made.Load(); n != want {
					t.Errorf("%d were made, want %d", n, want)
				}
			})
		})
	}
}

// TestActivationThatMindsItsTime: who waits behind the first must not wait for
// as long again.
func TestActivationThatMindsItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tries atomic.Int32
		w := newWorld(t, host.Options{HookTimeout: limit, Factory: making(func(string) *entity {
			return &entity{activate: func(c *host.Context) error {
				if tries.Add(1) > 1 {
					return nil
				}
				<-c.Done()
				return c.Err()
			}}
		})})
		began := time.Now()
		for _, c := range []*call{w.send("k", "a"), w.send("k", "b")} {
			if _, err := c.wait(t); !errors.Is(err, outcome.ErrActivationFailed) || time.Since(began) != limit {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		synctest.Wait() // the hook has returned
		w.wantLater("k", "go", "")
		if n := tries.Load(); n != 2 || time.Since(began) != limit+50*time.Millisecond {
			t.Errorf("%d tries in %v", n, time.Since(began))
		}
	})
}

// TestStuckPassivation, of an entity and of a protoactor actor.
func TestStuckPassivation(t *testing.T) {
	for name, factory := range map[string]func(made *atomic.Int32, gate chan struct{}) func(string) (host.Actor, error){
		"entity": func(made *atomic.Int32, gate chan struct{}) func(string) (host.Actor, error) {
			return making(func(string) *entity {
				made.Add(1)
				return &entity{
					handle:    func(c *host.Context) { c.Passivate(); c.Call().Reply(nil, nil) },
					passivate: func(c *host.Context) { <-gate },
				}
			})
		},
		"protoactor": func(made *atomic.Int32, gate chan struct{}) func(string) (host.Actor, error) {
			return func(string) (host.Actor, error) {
				made.Add(1)
				return pactor.ReceiveFunc(func(ctx pactor.Context) {
					switch ctx.Message().(type) {
					case *host.Message:
						ctx.Respond(nil)
						ctx.Stop(ctx.Self())
					case *pactor.Stopped:
						<-gate
					}
				}), nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var made atomic.Int32
				gate := make(chan struct{})
				log := &notes{}
				w := newWorldOn(t, host.Options{HookTimeout: limit, Factory: factory(&made, gate)}, log.logger(), -1)
				w.want("k", "go", "")
				synctest.Wait()
				began := time.Now()
				waiting := w.send("k", "waits")
				if _, err := waiting.wait(t); !isStuck(err) || time.Since(began) != limit {
					t.Errorf("who waited got %v after %v", err, time.Since(began))
				}
				waiting.check(t)
				w.refusedAsStuck("k")
				pass(2 * time.Second) // it has one of them to heed the end of its context
				if !strings.Contains(log.String(), "hook=passivation") || !strings.Contains(log.String(), "key=k") {
					t.Errorf("the log: %s", log)
				}
				pass(time.Hour - 2*time.Second)
				close(gate)
				synctest.Wait()
				if !strings.Contains(log.String(), "after=1h0m10s") {
					t.Errorf("the log does not say how long: %s", log)
				}
				if n := made.Load(); n != 1 {
					t.Errorf("%d were made beside a stop hook", n)
				}
				w.want("k", "go", "")
				if n := made.Load(); n != 2 {
					t.Errorf("%d were made, want 2", n)
				}
			})
		})
	}
}
