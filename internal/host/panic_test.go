package host_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
)

// explode ends a turn in the way that the message's type names.
func explode(c *host.Context) {
	switch c.Message().Type {
	case "panic":
		panic("boom")
	case "panic nil":
		panic(nil)
	case "exit":
		runtime.Goexit()
	case "reply, panic":
		c.Call().Reply([]byte("replied"), nil)
		panic("boom")
	case "passivate, panic":
		c.Passivate()
		panic("boom")
	}
}

func TestAfterAPanicTheKeyIsFresh(t *testing.T) {
	for _, how := range []string{"panic", "panic nil", "exit", "reply, panic", "passivate, panic"} {
		t.Run(how, func(t *testing.T) {
			var made, stopped atomic.Int32
			w := newWorld(t, host.Options{Factory: making(func(string) *entity {
				made.Add(1)
				turns := 0
				return &entity{
					handle: func(c *host.Context) {
						explode(c)
						turns++
						c.Call().Reply(fmt.Append(nil, turns), nil)
					},
					passivate: func(*host.Context) { stopped.Add(1) },
				}
			})})
			w.want("k", "go", "1")
			w.want("neighbour", "go", "1")
			bang := w.send("k", how)
			next, after := w.send("k", "go"), w.send("k", "go")
			answer, err := bang.settled(t)
			if how == "reply, panic" {
				if answer != "replied" || err != nil {
					t.Errorf("got %q, %v; a reply before the panic stands", answer, err)
				}
			} else if _, ok := errors.AsType[panicError](err); !ok {
				t.Errorf("got %q, %v; want to be told of the panic", answer, err)
			}
			// The next ones are one entity's, and none of it has seen the past.
			for i, c := range []*call{next, after} {
				if got, err := c.settled(t); got != fmt.Sprint(i+1) || err != nil {
					t.Errorf("message %d after the panic: %q, %v", i+1, got, err)
				}
				c.check(t)
			}
			w.want("neighbour", "go", "2")
			if n := stopped.Load(); n != 0 {
				t.Errorf("%d stop hooks ran before the end", n)
			}
			w.stop()
			if made, stopped := made.Load(), stopped.Load(); made != 3 || stopped != 2 {
				t.Errorf("%d made, %d stopped; want 3 and, without the one that panicked, 2", made, stopped)
			}
		})
	}
}

// TestManyPanics goes far beyond what the supervisor restarts: the key must
// neither die nor lose mail, whether it waits or comes later.
func TestManyPanics(t *testing.T) {
	for _, how := range []string{"panic", "exit"} {
		t.Run(how, func(t *testing.T) {
			var made, stopped atomic.Int32
			w := newWorld(t, host.Options{Factory: making(func(string) *entity {
				made.Add(1)
				return &entity{
					handle:    func(c *host.Context) { explode(c); c.Call().Reply([]byte("fine"), nil) },
					passivate: func(*host.Context) { stopped.Add(1) },
				}
			})})
			var calls []*call
			for range 60 {
				calls = append(calls, w.send("k", how), w.send("k", "go"))
			}
			for i, c := range calls {
				answer, err := c.settled(t)
				c.check(t)
				if _, panicked := errors.AsType[panicError](err); panicked != (i%2 == 0) || !panicked && answer != "fine" {
					t.Fatalf("message %d: %q, %v", i, answer, err)
				}
			}
			w.want("k", "go", "fine")
			w.stop()
			if made, stopped := made.Load(), stopped.Load(); made != 61 || stopped != 1 {
				t.Errorf("%d made, %d stopped; want 61 and 1", made, stopped)
			}
		})
	}
}

func TestStopHookThatFails(t *testing.T) {
	for how, fail := range map[string]func(){"panic": func() { panic("hook") }, "exit": runtime.Goexit} {
		t.Run(how, func(t *testing.T) {
			var made atomic.Int32
			w := newWorld(t, host.Options{Factory: making(func(string) *entity {
				n := made.Add(1)
				return &entity{
					handle: func(c *host.Context) {
						c.Passivate()
						c.Call().Reply(fmt.Append(nil, n), nil)
					},
					passivate: func(*host.Context) { fail() },
				}
			})})
			first, second := w.send("k", "go"), w.send("k", "go")
			for i, c := range []*call{first, second} {
				if got, err := c.settled(t); got != fmt.Sprint(i+1) || err != nil {
					t.Errorf("message %d: %q, %v", i, got, err)
				}
			}
			eventually(t, "the key is gone", func() bool { return w.Active() == 0 })
			w.want("k", "go", "3")
		})
	}
}

func TestPanicInMailByProcessID(t *testing.T) {
	var made atomic.Int32
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		n := made.Add(1)
		return &entity{
			handle: func(c *host.Context) { c.Call().Reply([]byte(c.Self().Id), nil) },
			receive: func(ctx pactor.Context) {
				if ctx.Message() == "boom" && n == 1 {
					panic("boom")
				}
			},
		}
	})})
	id, err := w.ask("k", "go")
	if err != nil {
		t.Fatal(err)
	}
	proto := w.system.Proto()
	proto.Root.Send(proto.NewLocalPID(id), "boom")
	eventually(t, "a fresh entity", func() bool { return made.Load() == 2 })
	w.want("k", "go", id)
}
