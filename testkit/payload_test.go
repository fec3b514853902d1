package testkit_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/testkit"
)

// trigger is a message whose own code does what it says, where it is decoded or, as a
// reply, encoded.
type trigger struct {
	Decode, Encode string
}

const secretPayload = "payload-7117"

// UnmarshalJSON implements json.Unmarshaler.
func (m *trigger) UnmarshalJSON(data []byte) error {
	type plain trigger
	err := json.Unmarshal(data, (*plain)(m))
	return errors.Join(err, act(m.Decode))
}

// MarshalJSON implements json.Marshaler.
func (m trigger) MarshalJSON() ([]byte, error) {
	type plain trigger
	if err := act(m.Encode); err != nil {
		return nil, err
	}
	return json.Marshal(plain(m))
}

func act(what string) error {
	switch what {
	case "panic":
		panic(secretPayload)
	case "nil":
		var none *trigger
		_ = none.Decode
	case "goexit":
		runtime.Goexit()
	case "refused": // what it returns looks like a refusal of a call that has not run
		return fmt.Errorf("encoding: %w", &cluster.Error{Code: "draining", Outcome: cluster.NotStarted})
	case "draining":
		return fmt.Errorf("encoding: %w", cluster.ErrDraining)
	}
	return nil
}

// fuse is an entity that counts what ran, in memory and in a count of the test's.
type fuse struct {
	n   int
	ran *atomic.Int32
}

type light struct{ Reply string } // Reply is what encoding the reply does

type count struct{}

func (f *fuse) light(_ *actor.Context, m light) (trigger, error) {
	f.n++
	f.ran.Add(1)
	return trigger{Encode: m.Reply}, nil
}

type later struct {
	Reply  string
	OnTurn bool
}

// later is light that answers from a goroutine, or on its turn by way of the answer.
func (f *fuse) later(_ *actor.Context, m later, a actor.Answer[trigger]) error {
	f.n++
	f.ran.Add(1)
	if m.OnTurn {
		a.Reply(trigger{Encode: m.Reply})
		return nil
	}
	go a.Reply(trigger{Encode: m.Reply}) // ends with the reply
	return nil
}

func (f *fuse) explode(*actor.Context, trigger) (int, error) { f.n = -1; return f.n, nil }
func (f *fuse) count(*actor.Context, count) (int, error)     { return f.n, nil }

// Receive is the same entity as an actor of protoactor's.
func (f *fuse) Receive(c pactor.Context) {
	switch m := c.Message().(type) {
	case *pactor.Restarting, *pactor.Stopping:
		f.n = -2
	case *light:
		reply, _ := f.light(nil, *m)
		c.Respond(reply)
	case *later:
		reply, _ := f.light(nil, light{m.Reply})
		if m.OnTurn {
			c.Respond(reply)
			return
		}
		system, sender := c.ActorSystem(), c.Sender()
		go system.Root.Send(sender, reply) // ends with the reply
	case *trigger:
		f.n = -1
	case *count:
		c.Respond(f.n)
	}
}

func init() {
	actor.RegisterMessage[*light]()
	actor.RegisterMessage[*count]()
	actor.RegisterMessage[*later]()
	actor.RegisterMessage[*trigger]()
}

// TestCodeOfMessages: what a payload or a reply does while it is decoded or encoded
// hurts its own call and nothing else. The entity keeps its state, the caller learns
// what ran, and nothing runs twice.
func TestCodeOfMessages(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live=%v", live), func(t *testing.T) {
			testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
				var ran atomic.Int32
				typed := actor.Define("typed", func(string) *fuse { return &fuse{ran: &ran} },
					actor.OnRequest((*fuse).light), actor.OnRequestLater((*fuse).later), actor.OnRequest((*fuse).explode), actor.OnRequest((*fuse).count))
				proto := func(string) (actor.Actor, error) { return pactor.ReceiveFunc((&fuse{ran: &ran}).Receive), nil }
				c := testkit.NewCluster(t, testkit.ClusterOptions{
					Nodes: 1, NumShards: 2, Transport: kind, Live: live, Log: testkit.Logger(t, 99),
					Kinds: map[string]cluster.ServerHandlerFunc{
						"typed": handlers.NewActorHandler(typed.New), "proto": handlers.NewActorHandler(proto),
					},
				})
				for _, of := range []string{"typed", "proto"} {
					t.Run(of, func(t *testing.T) { testCodeOf(t, c.Client().Kind(of).Key("k"), &ran) })
				}
			})
		})
	}
}

func testCodeOf(t *testing.T, key *cluster.ScopedClient, ran *atomic.Int32) {
	light := func(reply string) error {
		_, err := cluster.NewRequest[light, trigger](key).Request(t.Context(), light{reply})
		return err
	}
	counted := func(what string, want int) {
		t.Helper()
		if n, err := cluster.NewRequest[count, int](key).Request(t.Context(), count{}); err != nil || *n != want {
			t.Fatalf("%s: the entity says %d, %v; want %d", what, *cmp.Or(n, new(int)), err, want)
		}
	}
	want := 0
	step := func() { want++; ran.Store(0) }
	step()
	if err := light(""); err != nil {
		t.Fatal(err)
	}
	counted("at first", want)
	for _, what := range []string{"panic", "nil", "goexit", "draining"} {
		for _, notify := range []bool{false, true} {
			var err error
			if data := []byte(`{"Decode":"` + what + `"}`); notify {
				err = key.NotifyRaw(t.Context(), "trigger", data)
			} else if _, err = key.RequestRaw(t.Context(), "trigger", data); err == nil {
				t.Errorf("decoding, %s: no error", what)
			}
			if notify && err != nil || !notify && (!errors.Is(err, cluster.ErrDecode) || cluster.CodeOf(err) != "bad_payload" ||
				cluster.OutcomeOf(err) != cluster.NotStarted || strings.Contains(err.Error(), secretPayload) || strings.Contains(err.Error(), ".go:")) {
				t.Errorf("decoding, %s, notify %v: %v (%v)", what, notify, err, cluster.OutcomeOf(err))
			}
			counted("decoding, "+what, want)
		}
	}
	for _, what := range []string{"panic", "nil", "draining", "refused", "goexit"} {
		step()
		err := light(what)
		if !errors.Is(err, cluster.ErrReply) || cluster.CodeOf(err) != "reply" || cluster.OutcomeOf(err) != cluster.RanAndFailed ||
			strings.Contains(err.Error(), secretPayload) || ran.Load() != 1 {
			t.Errorf("encoding, %s: %v (%v), ran %d times", what, err, cluster.OutcomeOf(err), ran.Load())
		}
		counted("encoding, "+what, want)
	}
	for _, onTurn := range []bool{false, true} {
		for _, what := range []string{"panic", "nil", "draining", "refused", "goexit"} {
			step()
			_, err := cluster.NewRequest[later, trigger](key).Request(t.Context(), later{what, onTurn})
			if !errors.Is(err, cluster.ErrReply) || cluster.OutcomeOf(err) != cluster.RanAndFailed || ran.Load() != 1 {
				t.Errorf("encoding later, %s, on the turn %v: %v (%v), ran %d times", what, onTurn, err, cluster.OutcomeOf(err), ran.Load())
			}
			counted("encoding later, "+what, want)
		}
	}
}

// TestRepliesWhileATurnRuns: a reply that is given from a goroutine is encoded beside the
// turns of other messages. The race detector watches, and a turn that fails meanwhile
// fails as one of the application's.
func TestRepliesWhileATurnRuns(t *testing.T) {
	const each = 200
	fuses := actor.Define("fuse", func(string) *fuse { return &fuse{ran: new(atomic.Int32)} },
		actor.OnRequestLater((*fuse).later), actor.OnRequest((*fuse).count),
		actor.OnRequest(func(_ *fuse, _ *actor.Context, _ light) (int, error) { panic("the method's own") }))
	c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, NumShards: 1, Handler: handlers.NewActorHandler(fuses.New), Log: slog.New(slog.DiscardHandler)})
	key := c.Client().Key("k")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range each {
				if _, err := cluster.NewRequest[later, trigger](key).Request(t.Context(), later{}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range each {
				if _, err := cluster.NewRequest[count, int](key).Request(t.Context(), count{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, err := cluster.NewRequest[light, int](key).Request(t.Context(), light{}); !errors.Is(err, cluster.ErrPanicked) {
		t.Errorf("a method that panics: %v", err)
	}
}

// TestPanicsOfMessagesAreLogged: the caller learns neither value nor stack, so a line of
// the node's log has both, and names the entity.
func TestPanicsOfMessagesAreLogged(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var log logged
		fuses := actor.Define("fuse", func(string) *fuse { return &fuse{ran: new(atomic.Int32)} }, actor.OnRequest((*fuse).light), actor.OnRequest((*fuse).explode))
		proto := func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc((&fuse{ran: new(atomic.Int32)}).Receive), nil
		}
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Nodes: 1, NumShards: 1, Transport: kind, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Kinds: map[string]cluster.ServerHandlerFunc{"typed": handlers.NewActorHandler(fuses.New), "proto": handlers.NewActorHandler(proto)},
		})
		for _, of := range []string{"typed", "proto"} {
			for at, data := range map[string]string{"decoding": `{"Decode":"panic"}`, "encoding": `{"Reply":"panic"}`} {
				msgType := map[string]string{"decoding": "trigger", "encoding": "light"}[at]
				if _, err := c.Client().Kind(of).Key("k").RequestRaw(t.Context(), msgType, []byte(data)); err == nil {
					t.Fatalf("%s of %s: no error", at, of)
				}
				line := log.take()
				for _, part := range []string{"message's own code panicked", "kind=" + of + " shard=0 key=k", "type=" + msgType, "at=" + at, "payload-7117", "payload_test.go"} {
					if !strings.Contains(line, part) {
						t.Errorf("%s of %s: the line does not say %q: %.300s", at, of, part, line)
					}
				}
			}
		}
	})
}

// logged is what a log has written since it was asked last.
type logged struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.all.Reset()
	return l.all.String()
}
