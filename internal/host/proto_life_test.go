package host_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
)

// diary is what actors have lived through, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(who string, m any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	typeName := fmt.Sprintf("%T", m)
	d.lines = append(d.lines, who+" "+typeName[strings.LastIndexByte(typeName, '.')+1:])
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, ", ")
}

// family makes actors with one child each. The parent fails as fail says.
func family(d *diary, fail func(m any)) func(string) (host.Actor, error) {
	child := pactor.PropsFromFunc(func(ctx pactor.Context) { d.add("child", ctx.Message()) })
	return raw(func(ctx pactor.Context) {
		d.add("parent", ctx.Message())
		if _, ok := ctx.Message().(*pactor.Started); ok {
			ctx.Spawn(child)
		}
		fail(ctx.Message())
		if typ(ctx) != "" {
			ctx.Respond([]byte("fine"))
		}
	})
}

func TestChildrenEndBeforeTheirParent(t *testing.T) {
	d := &diary{}
	w := newWorld(t, host.Options{Factory: family(d, func(any) {})})
	before := w.processes()
	w.want("k", "go", "fine")
	w.stop()
	const want = "parent Started, parent Message, parent Stopping, child Stopping, child Stopped, parent Terminated, parent Stopped"
	started := "child Started, " // on the child's own turn: at any time before it stops
	if got := d.String(); strings.Count(got, started) != 1 || strings.Replace(got, started, "", 1) != want {
		t.Errorf("got  %s\nwant %s, and the child's Started", got, want)
	}
	if n := w.processes(); n > before {
		t.Errorf("%d processes left", n-before)
	}
}

// TestAnEndThatFails: whatever an actor does while it stops, its children end,
// its key is free, and the process lives.
func TestAnEndThatFails(t *testing.T) {
	ways := map[string]func(){"panic": func() { panic("end") }, "exit": runtime.Goexit}
	for how, fail := range ways {
		for _, at := range []string{"*host.Stopping", "*host.Stopped", "*host.Terminated"} {
			t.Run(how+" in "+at, func(t *testing.T) {
				d := &diary{}
				w := newWorld(t, host.Options{CacheSize: 1, Factory: family(d, func(m any) {
					if fmt.Sprintf("%T", m) == at {
						fail()
					}
				})})
				for range 3 {
					w.want("k", "go", "fine")
					w.want("other", "go", "fine")
				}
				w.stop()
				begun, ended := strings.Count(d.String(), "parent Started"), strings.Count(d.String(), "child Stopped")
				if ended != begun || begun < 3 { // which key goes first is a matter of time
					t.Errorf("%d children of %d actors have ended: %s", ended, begun, d)
				}
			})
		}
	}
}

func TestRestartSeenByAProtoactorActor(t *testing.T) {
	d := &diary{}
	w := newWorld(t, host.Options{Factory: family(d, func(m any) {
		if m, ok := m.(*host.Message); ok && m.Type == "panic" {
			panic("raw")
		}
	})})
	if _, err := w.ask("k", "panic"); !errors.As(err, new(panicError)) {
		t.Error(err)
	}
	w.want("k", "go", "fine")
	w.stop()
	var parents []string
	for _, line := range d.lines {
		if strings.HasPrefix(line, "parent") {
			parents = append(parents, strings.TrimPrefix(line, "parent "))
		}
	}
	want := "[Started Message Restarting Terminated Started Message Stopping Terminated Stopped]"
	if got := fmt.Sprint(parents); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestActorsOfANodeSendToEachOther(t *testing.T) {
	w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch m := ctx.Message().(type) {
			case *host.Message:
				switch m.Type {
				case "id":
					ctx.Respond([]byte(ctx.Self().Id))
				case "pass on":
					ctx.RequestWithCustomSender(pactor.NewPID(ctx.Self().Address, string(m.Data)), "question", ctx.Sender())
				}
			case string:
				ctx.Respond([]byte(m + " answered by " + key))
			}
		}), nil
	}})
	id, err := w.ask("b", "id")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.sendData("a", "pass on", []byte(id)).settled(t); got != "question answered by b" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestMailByProcessIDIsBounded: what does not fit is a dead letter, and who asked
// is told.
func TestMailByProcessIDIsBounded(t *testing.T) {
	const room = 3
	o := &counter{}
	in, gate := make(chan string, 1), make(chan struct{})
	var got atomic.Int32
	w := newWorld(t, host.Options{MailboxSize: room, Observer: o, Factory: raw(func(ctx pactor.Context) {
		switch ctx.Message().(type) {
		case *host.Message:
			in <- ctx.Self().Id
			<-gate
			ctx.Respond(nil)
		case string:
			got.Add(1)
		}
	})})
	block := w.send("k", "block")
	proto := w.system.Proto()
	dead := make(chan any, 10)
	sub := proto.EventStream.Subscribe(func(e any) {
		if l, ok := e.(*pactor.DeadLetterEvent); ok {
			dead <- l.Message
		}
	})
	defer proto.EventStream.Unsubscribe(sub)
	pid := proto.NewLocalPID(await(t, in, "the turn"))
	for range room {
		proto.Root.Send(pid, "fits")
	}
	proto.Root.Send(pid, "too much")
	if m := await(t, dead, "a dead letter"); m != "too much" {
		t.Errorf("dead letter %v", m)
	}
	if _, err := proto.Root.RequestFuture(pid, "asked", patience).Result(); !errors.Is(err, pactor.ErrDeadLetter) {
		t.Errorf("who asked got %v", err)
	}
	close(gate)
	if _, err := block.settled(t); err != nil {
		t.Error(err)
	}
	eventually(t, "the mail is handled", func() bool { return got.Load() == room })
	if _, _, _, full, _ := o.numbers(); full != 2 {
		t.Errorf("%d refusals, want 2", full)
	}
}

// TestAnActorThatNeverAnswers: the call ends otherwise, and what would have
// taken the answer is forgotten.
func TestAnActorThatNeverAnswers(t *testing.T) {
	kept := make(chan *pactor.PID, 1)
	w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
		if typ(ctx) != "" {
			kept <- ctx.Sender()
		}
	})})
	c := w.send("k", "go")
	await(t, c.ended, "the turn")
	c.Reply(nil, errBroken) // as a deadline does
	sender := await(t, kept, "the sender")
	proto := w.system.Proto()
	if _, ok := proto.ProcessRegistry.Get(sender); ok {
		t.Error("the way back is still there")
	}
	proto.Root.Send(sender, []byte("too late")) // a dead letter
	c.check(t)
}

// TestStash: protoactor hands stashed messages to the actor that follows after a
// restart. It forgets who sent them, so that their callers run out of time.
func TestStash(t *testing.T) {
	seen := make(chan string, 10)
	var made atomic.Int32
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		n := made.Add(1)
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch typ(ctx) {
			case "":
			case "panic":
				panic("restart")
			default:
				if n == 1 {
					ctx.Stash()
					return
				}
				seen <- typ(ctx)
			}
		}), nil
	}})
	a := w.send("k", "a")
	_, _ = w.ask("k", "panic")
	if s := await(t, seen, "the stashed message"); s != "a" {
		t.Errorf("got %q", s)
	}
	a.Reply(nil, errBroken)
}
