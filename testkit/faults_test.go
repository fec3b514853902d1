package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// faulty starts a node that records, behind a client with faults.
func faulty(t *testing.T, f *testkit.Faults) (*cluster.Client, *testkit.Recorder) {
	rec := testkit.NewRecorder()
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: rec.Wrap(echo), Wrap: f.Client})
	return c.Client(), rec
}

func send(c *cluster.Client, key string, opts ...cluster.EnvelopeOption) error {
	_, err := c.RequestKey(context.Background(), key, "Do", []byte(key), opts...)
	return err
}

func TestFaultsLoseMessagesAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewFaults(1,
			testkit.FaultRule{Keys: []string{"dropped"}, Drop: 1},
			testkit.FaultRule{Keys: []string{"unanswered"}, DropReply: 1},
		)
		c, rec := faulty(t, f)
		for _, key := range []string{"dropped", "unanswered"} {
			began := time.Now()
			err := send(c, key, cluster.WithTTL(3*time.Second))
			if !errors.Is(err, cluster.ErrEnvelopeExpired) || cluster.OutcomeOf(err) != cluster.MaybeRan || time.Since(began) != 3*time.Second {
				t.Errorf("%s by TTL: %v (%v) after %v", key, err, cluster.OutcomeOf(err), time.Since(began))
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err = c.RequestKey(ctx, key, "Do", nil)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("%s by context: %v (%v)", key, err, cluster.OutcomeOf(err))
			}
			began = time.Now()
			err = send(c, key) // the client's own 30 seconds
			if !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan || time.Since(began) != cluster.DefaultRequestTimeout {
				t.Errorf("%s by default: %v (%v) after %v", key, err, cluster.OutcomeOf(err), time.Since(began))
			}
			if err := c.NotifyKey(context.Background(), key, "Do", nil, cluster.WithoutAck()); err != nil {
				t.Errorf("%s without an ack: %v", key, err)
			}
			synctest.Wait()
		}
		if n := len(rec.Key("dropped")); n != 0 {
			t.Errorf("%d dropped messages have arrived", n)
		}
		if n := len(rec.Key("unanswered")); n != 4 {
			t.Errorf("%d messages have arrived, want 4", n)
		}
		if got := f.Injected(); got != (testkit.FaultCounts{Calls: 8, Dropped: 4, RepliesDropped: 4}) {
			t.Errorf("injected %+v", got)
		}
	})
}

func TestFaultsFailWithWhatWasAskedFor(t *testing.T) {
	busy := outcome.Overloaded(time.Millisecond, "by the test")
	for _, test := range []struct {
		err     error
		outcome cluster.Outcome
	}{
		{cluster.ErrOverloaded, cluster.NotStarted},
		{cluster.ErrTransportClosed, cluster.NotSent},
		{cluster.ErrConnectionLost, cluster.MaybeRan},
		{context.DeadlineExceeded, cluster.MaybeRan},
		{busy, cluster.NotStarted},
		{outcome.HandlerError(errNegative), cluster.RanAndFailed},
		{errNoDatabase, cluster.MaybeRan},
	} {
		c, rec := faulty(t, testkit.NewFaults(1, testkit.FaultRule{Fail: 1, Err: test.err}))
		err := send(c, "a")
		if cluster.OutcomeOf(err) != test.outcome || cluster.CodeOf(err) != cluster.CodeOf(test.err) {
			t.Errorf("%v: got %v (%v)", test.err, err, cluster.OutcomeOf(err))
		}
		if len(rec.All()) != 0 {
			t.Errorf("%v: a failed call has arrived", test.err)
		}
	}
}

func TestFaultsFailOnlyTheFirst(t *testing.T) {
	f := testkit.NewFaults(1, testkit.FaultRule{Fail: 1, Err: cluster.ErrDraining, First: 2})
	c, rec := faulty(t, f)
	for _, key := range []string{"a", "b"} {
		if err := send(c, key); err != nil { // the client tries again what never ran
			t.Errorf("%s: %v", key, err)
		}
	}
	if got := f.Injected(); got.Failed != 4 || got.Calls != 6 || len(rec.All()) != 2 {
		t.Errorf("injected %+v, %d have arrived", got, len(rec.All()))
	}
}

func TestFaultsDuplicateOnlyWhatRan(t *testing.T) {
	f := testkit.NewFaults(1, testkit.FaultRule{Types: []string{"Do"}, Duplicate: 1})
	c, rec := faulty(t, f)
	reply, err := c.RequestKey(context.Background(), "a", "Do", []byte("x"))
	if err != nil || string(reply) != "x" || len(rec.All()) != 2 {
		t.Errorf("got %q, %v, %d have arrived", reply, err, len(rec.All()))
	}
	if _, err := c.RequestKey(context.Background(), "a", "Other", nil); err != nil || len(rec.All()) != 3 {
		t.Errorf("%v, %d have arrived", err, len(rec.All()))
	}

	refusing := &refuseFirst{}
	once, err := f.Client(refusing).Request(context.Background(), transport.Envelope{Type: "Do", Key: "a"})
	if !errors.Is(err, cluster.ErrOverloaded) || refusing.calls != 1 {
		t.Errorf("got %q, %v after %d deliveries of what was said not to have run", once, err, refusing.calls)
	}
}

// refuseFirst would take the second delivery of a call.
type refuseFirst struct{ calls int }

func (r *refuseFirst) Request(context.Context, transport.Envelope) ([]byte, error) {
	if r.calls++; r.calls == 1 {
		return nil, outcome.Overloaded(0, "the first")
	}
	return nil, nil
}

func (r *refuseFirst) Close() error { return nil }

func TestFaultsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewFaults(1, testkit.FaultRule{Delay: 1, DelayMin: time.Second, DelayMax: 2 * time.Second})
		c, rec := faulty(t, f)
		began := time.Now()
		if err := send(c, "a"); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Second || took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		err := send(c, "a", cluster.WithTTL(500*time.Millisecond))
		if !errors.Is(err, cluster.ErrEnvelopeExpired) || !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, err := c.RequestKey(ctx, "a", "Do", nil); cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
		if f.Injected().Delayed != 3 || len(rec.All()) != 1 {
			t.Errorf("injected %+v, %d have arrived", f.Injected(), len(rec.All()))
		}
	})
}

// The faults of a key are the same whatever other keys do meanwhile.
func TestFaultsDependOnSeedAndKeyOnly(t *testing.T) {
	const keys, each = 16, 50
	run := func(seed uint64, parallel bool) [keys]string {
		var got [keys]string
		tr := testkit.NewFaults(seed, testkit.FaultRule{Fail: 0.5, Err: cluster.ErrOverloaded}).Client(nothing{})
		one := func(k int) {
			for range each {
				if _, err := tr.Request(context.Background(), transport.Envelope{Key: fmt.Sprint(k), Type: "Do"}); err != nil {
					got[k] += "x"
				} else {
					got[k] += "."
				}
			}
		}
		var wg sync.WaitGroup
		for k := range keys {
			if parallel {
				wg.Go(func() { one(k) })
			} else {
				one(k)
			}
		}
		wg.Wait()
		return got
	}
	serial := run(7, false)
	if parallel := run(7, true); parallel != serial {
		t.Errorf("serial and parallel differ:\n%v\n%v", serial, parallel)
	}
	if other := run(8, false); other == serial {
		t.Error("another seed gives the same faults")
	}
	failed := 0
	for _, s := range serial {
		for _, c := range s {
			if c == 'x' {
				failed++
			}
		}
	}
	if failed < keys*each*4/10 || failed > keys*each*6/10 {
		t.Errorf("%d of %d have failed, with a probability of a half", failed, keys*each)
	}
}

// nothing is a transport that answers at once.
type nothing struct{}

func (nothing) Request(context.Context, transport.Envelope) ([]byte, error) { return nil, nil }
func (nothing) Close() error                                                { return nil }

func TestFaultRulesThatCannotWork(t *testing.T) {
	for _, r := range []testkit.FaultRule{
		{Drop: -0.1},
		{Drop: 1.1},
		{Drop: 0.6, Duplicate: 0.6},
		{Fail: 0.1},
		{Delay: 0.5},
		{Delay: 0.5, DelayMin: 2, DelayMax: 1},
		{Delay: 0.5, DelayMin: -1, DelayMax: 1},
		{First: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", r)
				}
			}()
			testkit.NewFaults(1, r)
		}()
	}
}

// broken is a transport whose connection has ended.
type broken struct{ transport.Transport }

func (broken) Connected() bool { return false }

func (broken) Broken() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// A node behind faults sees its transport's connection, as it does in production.
func TestFaultsTellOfTheConnection(t *testing.T) {
	tr := memtransport.New(memtransport.Options{})
	defer tr.Close()
	f := testkit.NewFaults(1)
	behind, ok := f.Transport(broken{tr}).(transport.ConnectionTransport)
	if !ok || behind.Connected() {
		t.Fatalf("a transport without a connection is connected: %v", behind)
	}
	<-behind.Broken()
	if c := f.Transport(tr).(transport.ConnectionTransport); !c.Connected() || c.Broken() != nil {
		t.Error("a transport that needs no connection has lost it")
	}
}
