package host_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// raw makes a factory of protoactor actors, as users have them.
func raw(receive func(ctx pactor.Context)) func(string) (host.Actor, error) {
	return func(string) (host.Actor, error) { return pactor.ReceiveFunc(receive), nil }
}

// typ is the type of a message that was not registered; empty for others.
func typ(ctx pactor.Context) string {
	if m, ok := ctx.Message().(*host.Message); ok {
		return m.Type
	}
	return ""
}

func TestRawRespond(t *testing.T) {
	w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
		switch typ(ctx) {
		case "text":
			ctx.Respond([]byte(ctx.Message().(*host.Message).Key + ctx.MessageHeader().Get("h")))
		case "json":
			ctx.Respond(struct{ A int }{7})
		case "nil":
			ctx.Respond(nil)
		case "error":
			ctx.Respond(errBroken)
		case "unmarshalable":
			ctx.Respond(make(chan int))
		case "twice":
			ctx.Respond([]byte("once"))
			ctx.Respond([]byte("twice"))
		case "later":
			sender, root := ctx.Sender(), ctx.ActorSystem().Root
			go root.Send(sender, []byte("later")) // ends at once
		case "child":
			ctx.Forward(ctx.Spawn(pactor.PropsFromFunc(func(ctx pactor.Context) {
				if typ(ctx) == "child" {
					ctx.Respond([]byte("from the child"))
				}
			})))
		case "dead":
			ctx.Forward(ctx.ActorSystem().NewLocalPID("nobody"))
		case "panic":
			panic("raw")
		}
	})})
	for _, c := range []struct {
		typ, want string
		err       error
	}{
		{"text", "kv", nil}, {"json", `{"A":7}`, nil}, {"nil", "", nil}, {"error", "", errBroken},
		{"unmarshalable", "", outcome.ErrReply}, {"later", "later", nil}, {"child", "from the child", nil},
		{"dead", "", pactor.ErrDeadLetter}, {"text", "kv", nil},
	} {
		call := newCall()
		w.deliver(0, "k", call, host.Message{Type: c.typ, Key: "k", Headers: map[string]string{"h": "v"}})
		got, err := call.settled(t)
		if got != c.want || !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
			t.Errorf("%s: %q, %v; want %q, %v", c.typ, got, err, c.want, c.err)
		}
		call.check(t)
	}
	if _, err := w.ask("k", "panic"); !errors.As(err, new(panicError)) {
		t.Errorf("panic: %v", err)
	}
	if got, _ := w.ask("k", "twice"); got != "once" {
		t.Errorf("twice: %q", got)
	}
}

// TestRawNotification: nobody waits for it; headers are there all the same.
func TestRawNotification(t *testing.T) {
	got := make(chan string, 1)
	w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
		if typ(ctx) == "note" {
			got <- fmt.Sprint(ctx.MessageHeader().Get("h"), ctx.Sender() == nil)
		}
	})})
	c := newCall()
	c.notify = true
	w.deliver(0, "k", c, host.Message{Type: "note", Headers: map[string]string{"h": "v"}})
	if s := await(t, got, "the notification"); s != "vtrue" {
		t.Errorf("got %q", s)
	}
	if _, err := c.settled(t); err != nil {
		t.Error(err)
	}
}

// Deposit is a message that is registered under its name.
type Deposit struct{ Amount int }

func TestRawMessageTypes(t *testing.T) {
	actor.RegisterMessage[*Deposit]()
	w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
		switch m := ctx.Message().(type) {
		case *Deposit:
			ctx.Respond([]byte(fmt.Sprint("deposit ", m.Amount)))
		case *wrapperspb.StringValue:
			ctx.Respond(wrapperspb.String("hello " + m.Value))
		case *host.Message:
			ctx.Respond([]byte("unknown " + m.Type))
		}
	})})
	ask := func(typ string, data []byte) (string, error) { return w.sendData("k", typ, data).settled(t) }
	if got, err := ask("Deposit", []byte(`{"Amount":5}`)); got != "deposit 5" || err != nil {
		t.Errorf("registered: %q, %v", got, err)
	}
	if _, err := ask("Deposit", []byte(`{`)); !errors.Is(err, outcome.ErrDecode) {
		t.Errorf("a payload that does not unmarshal: %v", err)
	}
	data, _ := proto.Marshal(wrapperspb.String("you"))
	got, err := ask("google.protobuf.StringValue", data)
	var answer wrapperspb.StringValue
	if err != nil || proto.Unmarshal([]byte(got), &answer) != nil || answer.Value != "hello you" {
		t.Errorf("protobuf: %q, %v", got, err)
	}
	if _, err := ask("google.protobuf.StringValue", []byte{0xff}); !errors.Is(err, outcome.ErrDecode) {
		t.Errorf("protobuf that does not unmarshal: %v", err)
	}
	// Protoactor's own messages are linked too: nobody may stop an actor from afar.
	for _, typ := range []string{"whatever", "host.PoisonPill", "host.Stop", "host.Terminated", "host.Watch", "host.Touch"} {
		if got, err := ask(typ, nil); got != "unknown "+typ || err != nil {
			t.Errorf("%s: %q, %v", typ, got, err)
		}
	}
}

func TestRawBehaviour(t *testing.T) {
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		b := pactor.NewBehavior()
		var off, on pactor.ReceiveFunc
		off = func(ctx pactor.Context) {
			if typ(ctx) != "" {
				b.Become(on)
				ctx.Respond([]byte("on"))
			}
		}
		on = func(ctx pactor.Context) {
			if typ(ctx) != "" {
				b.Become(off)
				ctx.Respond([]byte("off"))
			}
		}
		b.Become(off)
		return &b, nil
	}})
	for _, want := range []string{"on", "off", "on"} {
		w.want("k", "toggle", want)
	}
}

func TestRawReceiveTimeout(t *testing.T) {
	stopped := make(chan string, 10)
	var made atomic.Int32
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		made.Add(1)
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *pactor.Started:
				ctx.SetReceiveTimeout(5 * time.Millisecond)
			case *pactor.ReceiveTimeout:
				ctx.Stop(ctx.Self())
			case *pactor.Stopped:
				stopped <- "stopped"
			case *host.Message:
				ctx.Respond([]byte("hello"))
			}
		}), nil
	}})
	for i := range 3 {
		w.want("k", "go", "hello")
		await(t, stopped, "the stop")
		eventually(t, "the key is gone", func() bool { return w.Active() == 0 })
		if n := int(made.Load()); n != i+1 {
			t.Errorf("%d incarnations for %d messages", n, i+1)
		}
	}
}

// TestRawStopsItself: mail that waits goes to the next incarnation, whichever
// way the actor ends.
func TestRawStopsItself(t *testing.T) {
	for name, leave := range map[string]func(ctx pactor.Context){
		"stop":        func(ctx pactor.Context) { ctx.Stop(ctx.Self()) },
		"poison":      func(ctx pactor.Context) { ctx.Poison(ctx.Self()) },
		"stop, panic": func(ctx pactor.Context) { ctx.Stop(ctx.Self()); panic("after the stop") },
	} {
		t.Run(name, func(t *testing.T) {
			var made, live atomic.Int32
			in, gate := make(chan struct{}, 1), make(chan struct{})
			w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
				n := made.Add(1)
				return pactor.ReceiveFunc(func(ctx pactor.Context) {
					switch ctx.Message().(type) {
					case *pactor.Started:
						if live.Add(1) != 1 {
							t.Error("two live incarnations")
						}
					case *pactor.Stopped, *pactor.Restarting:
						live.Add(-1)
					case *host.Message:
						if name != "stop, panic" || typ(ctx) != "leave" {
							ctx.Respond([]byte(fmt.Sprint(n, typ(ctx))))
						}
						if typ(ctx) == "leave" {
							in <- struct{}{}
							<-gate
							leave(ctx)
						}
					}
				}), nil
			}})
			w.want("k", "a", "1a")
			first := w.send("k", "leave")
			await(t, in, "the turn")
			calls := []*call{w.send("k", "b"), w.send("k", "c")}
			close(gate)
			var got []string
			for _, c := range append([]*call{first}, calls...) {
				s, err := c.settled(t)
				if errors.As(err, new(panicError)) && name == "stop, panic" {
					s, err = "1leave", nil
				}
				if err != nil {
					t.Error(err)
				}
				c.check(t)
				got = append(got, s)
			}
			// A poison pill is mail itself, and waits in line.
			want := "1leave 2b 2c"
			if name == "poison" {
				want = "1leave 1b 1c"
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
			w.want("k", "d", "2d")
			w.stop()
			if n := live.Load(); n != 0 {
				t.Errorf("%d live incarnations after the end", n)
			}
		})
	}
}
