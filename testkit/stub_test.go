package testkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// teller asks a counter and answers with what that has said.
type teller struct{ counters *cluster.KindClient }

type tell struct{ Key string }

func (a *teller) tell(c *actor.Context, m tell) (sum, error) {
	s, err := cluster.NewRequest[add, sum](a.counters.Key(m.Key)).Request(c, add{1})
	if err != nil {
		return sum{}, err
	}
	return *s, nil
}

func tellers(client *cluster.Client) *actor.Definition[teller] {
	return actor.Define("teller", func(string) *teller { return &teller{client.Kind("counter")} }, actor.OnRequest((*teller).tell))
}

// An entity that asks others is tested without them.
func TestAloneAsksAStub(t *testing.T) {
	var asked []string
	stub := testkit.StubClient(func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		asked = append(asked, fmt.Sprintf("%s %s %s %s", env.Kind, env.Key, env.Type, env.Data))
		switch env.Key {
		case "refuses":
			return nil, errNegative
		case "away":
			return nil, cluster.ErrTransportNoShardSubscriber
		case "hangs":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return json.Marshal(sum{N: 7})
	})
	testkit.Alone(t, tellers(stub).New, "t", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if s, err := testkit.Ask[sum](e, tell{"a"}); err != nil || s.N != 7 {
			t.Errorf("got %v, %v", s, err)
		}
		for key, is := range map[string]error{"refuses": errNegative, "away": cluster.ErrTransportNoShardSubscriber} {
			_, err := testkit.Ask[sum](e, tell{key})
			if !errors.Is(err, is) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
				t.Errorf("%s: got %v (%v)", key, err, cluster.OutcomeOf(err))
			}
		}
		began := time.Now()
		_, err := testkit.Ask[sum](e, tell{"hangs"}, cluster.WithTTL(5*time.Second))
		if cluster.OutcomeOf(err) != cluster.MaybeRan || time.Since(began) != 5*time.Second {
			t.Errorf("got %v (%v) after %v", err, cluster.OutcomeOf(err), time.Since(began))
		}
	})
	if len(asked) != 4 || asked[0] != `counter a add {"N":1}` {
		t.Errorf("asked %q", asked)
	}
}

// What a stub's caller sees is what it would see over a transport.
func TestStubClientOutcomes(t *testing.T) {
	busy := outcome.Overloaded(time.Millisecond, "by the test")
	for _, test := range []struct {
		err             error
		request, notify cluster.Outcome
	}{
		{nil, cluster.Succeeded, cluster.Succeeded},
		{errNegative, cluster.RanAndFailed, cluster.Succeeded},
		{errNoDatabase, cluster.RanAndFailed, cluster.Succeeded},
		{fmt.Errorf("asking another: %w", cluster.ErrOverloaded), cluster.RanAndFailed, cluster.Succeeded},
		{cluster.ErrTransportNoShardSubscriber, cluster.NotStarted, cluster.NotStarted},
		{cluster.ErrTransportClosed, cluster.NotSent, cluster.NotSent},
		{cluster.ErrConnectionLost, cluster.MaybeRan, cluster.MaybeRan},
		{busy, cluster.NotStarted, cluster.NotStarted},
	} {
		c := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, test.err })
		reply, err := c.RequestKey(t.Context(), "a", "Do", []byte("x"))
		if cluster.OutcomeOf(err) != test.request || cluster.CodeOf(err) != cluster.CodeOf(test.err) && test.err != errNoDatabase {
			t.Errorf("%v: request: %v (%v)", test.err, err, cluster.OutcomeOf(err))
		}
		if err == nil && string(reply) != "x" {
			t.Errorf("reply %q", reply)
		}
		if err := c.NotifyKey(t.Context(), "a", "Do", nil); cluster.OutcomeOf(err) != test.notify {
			t.Errorf("%v: notify: %v (%v)", test.err, err, cluster.OutcomeOf(err))
		}
		if err := c.NotifyKey(t.Context(), "a", "Do", nil, cluster.WithoutAck()); err != nil {
			t.Errorf("%v: without an ack: %v", test.err, err)
		}
	}
}

// Caller and handler share neither memory nor values, and a caller who has gone
// asks nobody.
func TestStubClientKeepsEndsApart(t *testing.T) {
	var kept []byte
	type mine struct{}
	calls := 0
	c := testkit.StubClient(func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if calls++; ctx.Value(mine{}) != nil {
			t.Error("a value has crossed")
		}
		if env.Headers["h"] != "v" {
			t.Errorf("headers %v", env.Headers)
		}
		env.Headers["h"] = "changed"
		kept = env.Data
		return kept, nil
	})
	data := []byte("data")
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), mine{}, 1))
	reply, err := c.RequestShard(ctx, 0, "Do", data, cluster.WithHeader("h", "v"))
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	clear(reply)
	if string(kept) != "data" {
		t.Errorf("the handler's bytes are %q", kept)
	}
	cancel()
	if _, err := c.RequestKey(ctx, "a", "Do", nil); cluster.OutcomeOf(err) != cluster.NotSent || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	defer func() {
		if recover() == nil {
			t.Error("a stub without a func is accepted")
		}
	}()
	testkit.StubClient(nil)
}

func TestAloneOptions(t *testing.T) {
	var kind string
	h := &hooks{}
	def := h.define(actor.OnRequest(func(c *counter, ctx *actor.Context, _ tell) (sum, error) { kind = ctx.Kind(); return sum{}, nil }))
	opts := testkit.AloneOptions{
		Kind:    "counter",
		Handler: handlers.Options{IdleAfter: time.Minute},
		Limits:  transport.Limits{HandlerTimeout: 2 * time.Second},
	}
	testkit.Alone(t, def.New, "a", opts, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[sum](e, tell{}); err != nil || kind != "counter" {
			t.Errorf("kind %q, %v", kind, err)
		}
		began := time.Now()
		if _, err := testkit.Ask[sum](e, block{}); !errors.Is(err, cluster.ErrHandlerTimeout) || time.Since(began) != 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if e.Advance(59 * time.Second); !e.Active() {
			t.Error("passivated before its time")
		}
		if e.Advance(10 * time.Second); e.Active() {
			t.Error("not passivated when idle")
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("an option out of range is accepted")
		}
	}()
	testkit.Alone(t, def.New, "a", testkit.AloneOptions{Handler: handlers.Options{MailboxSize: -2}}, nil)
}
