package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// refusal is an error of a node that has not started a message.
func refusal(of error) error { return outcome.Errorf(of, "for a test").WithOutcome(cluster.NotStarted) }

// TestAsyncKeepsOrder: what one sender sends to one key comes in order, however it is sent.
func TestAsyncKeepsOrder(t *testing.T) {
	var seen []string // only the key's turn touches it
	client := serve(t, cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
		return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			seen = append(seen, string(env.Data))
			return []byte(strconv.Itoa(len(seen))), nil
		}, nil
	}))
	key := client.Key("k")
	const n = 3000
	receipts := make([]*cluster.Receipt, 0, n)
	for i := range n {
		data := []byte(strconv.Itoa(i))
		switch {
		case i%50 == 49:
			if _, err := key.RequestRaw(t.Context(), "Add", data); err != nil {
				t.Fatal(err)
			}
		case i%7 == 6:
			if err := key.NotifyRaw(t.Context(), "Add", data, cluster.WithoutAck()); err != nil {
				t.Fatal(err)
			}
		case i%7 == 5:
			receipts = append(receipts, key.NotifyRawAsync(t.Context(), "Add", data, cluster.WithoutAck()))
		default:
			receipts = append(receipts, key.NotifyRawAsync(t.Context(), "Add", data))
		}
	}
	count, err := key.RequestRaw(t.Context(), "Add", []byte("last"))
	if err != nil || string(count) != strconv.Itoa(n+1) {
		t.Fatalf("%s were handled, %v", count, err)
	}
	for i, s := range seen[:n] {
		if s != strconv.Itoa(i) {
			t.Fatalf("message %s was handled as number %d", s, i)
		}
	}
	for i, r := range receipts {
		if err := r.Wait(t.Context()); err != nil || r.Err() != nil {
			t.Fatalf("receipt %d: %v", i, err)
		}
	}
}

// TestAsyncForms: typed and protobuf messages, and what cannot be sent, is told by the receipt.
func TestAsyncForms(t *testing.T) {
	types := make(chan string, 4)
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		types <- env.Type
		return nil, nil
	})
	key := client.Key("k")
	for msg, want := range map[any]string{touch{}: "touch", wrapperspb.String("x"): "google.protobuf.StringValue"} {
		r := key.NotifyAsync(t.Context(), msg)
		<-r.Done()
		if got := <-types; got != want || r.Err() != nil {
			t.Errorf("%s has come, want %s; %v", got, want, r.Err())
		}
	}
	for name, c := range map[string]struct {
		r    *cluster.Receipt
		want error
	}{
		"unencodable":     {key.NotifyAsync(t.Context(), func() {}), cluster.ErrEncode},
		"without a key":   {client.Key("").NotifyAsync(t.Context(), touch{}), cluster.ErrKeyRequired},
		"out of range":    {client.Shard(99).NotifyAsync(t.Context(), touch{}), cluster.ErrShardOutOfRange},
		"reserved header": {key.NotifyAsync(t.Context(), touch{}, cluster.WithHeader("x-clstr-a", "")), cluster.ErrReservedHeader},
		"negative TTL":    {key.NotifyAsync(t.Context(), touch{}, cluster.WithTTL(-1)), cluster.ErrBadEnvelope},
	} {
		if err := c.r.Wait(t.Context()); !errors.Is(err, c.want) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("%s: %v (%v)", name, err, cluster.OutcomeOf(err))
		}
	}
}

// TestAsyncIsTriedAgainInOrder: a notification that is refused is tried again, and those behind it in
// its key's line wait. Those to other keys do not.
func TestAsyncIsTriedAgainInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		ran := map[string][]string{}
		refusals := 5
		tr := &fakeTransport{reply: func(_ context.Context, _ int, env cluster.Envelope) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if env.Key == "moves" && refusals > 0 {
				refusals--
				return nil, refusal(cluster.ErrNotOwner)
			}
			ran[env.Key] = append(ran[env.Key], string(env.Data))
			return nil, nil
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		var last *cluster.Receipt
		for i := range 10 {
			last = client.Key("moves").NotifyRawAsync(t.Context(), "Add", []byte(strconv.Itoa(i)))
		}
		if err := client.Key("stays").NotifyRawAsync(t.Context(), "Add", nil).Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := last.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(ran["moves"]); got != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("in the order %s", got)
		}
	})
}

// TestAsyncFailsAlone: a notification that fails for good says so, and those behind it go on.
func TestAsyncFailsAlone(t *testing.T) {
	tr := &fakeTransport{reply: func(_ context.Context, _ int, env cluster.Envelope) ([]byte, error) {
		switch string(env.Data) {
		case "1":
			return nil, refusal(cluster.ErrUnknownType)
		case "2":
			return nil, outcome.Errorf(cluster.ErrConnectionLost, "for a test")
		}
		return nil, nil
	}}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	var receipts []*cluster.Receipt
	for i := range 4 {
		receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", []byte(strconv.Itoa(i))))
	}
	want := []cluster.Outcome{cluster.Succeeded, cluster.NotStarted, cluster.MaybeRan, cluster.Succeeded}
	for i, r := range receipts {
		if err := r.Wait(t.Context()); cluster.OutcomeOf(err) != want[i] {
			t.Errorf("%d: %v, want %v", i, err, want[i])
		}
	}
	if len(tr.sent) != 4 {
		t.Errorf("%d were sent", len(tr.sent))
	}
}

// TestAsyncWindow: senders wait while the window is full, and no longer than their context.
func TestAsyncWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) {
			<-release
			return nil, nil
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, NotifyWindow: 2})
		first := client.Key("a").NotifyRawAsync(t.Context(), "Add", nil)
		second := client.Key("a").NotifyRawAsync(t.Context(), "Add", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := client.Key("b").NotifyRawAsync(ctx, "Add", nil).Err()
		if !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
		}
		if err := first.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan || first.Err() != nil {
			t.Errorf("%v (%v), %v", err, cluster.OutcomeOf(err), first.Err())
		}
		third := make(chan *cluster.Receipt)
		go func() { third <- client.Key("b").NotifyRawAsync(t.Context(), "Add", nil) }()
		synctest.Wait()
		close(release)
		for _, r := range []*cluster.Receipt{first, second, <-third} {
			if err := r.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAsyncWindowOfBytes: large messages fill the window too, and one that is larger still may go alone.
func TestAsyncWindowOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) {
			<-release
			return nil, nil
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, NotifyWindow: -1})
		large := client.Key("a").NotifyRawAsync(t.Context(), "Add", make([]byte, cluster.WindowBytes+1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := client.Key("b").NotifyRawAsync(ctx, "Add", []byte("x")).Err(); cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("a second: %v", err)
		}
		close(release)
		if err := large.Wait(t.Context()); err != nil && !errors.Is(err, cluster.ErrTooLarge) {
			t.Error(err)
		}
		if err := client.Key("b").NotifyRawAsync(t.Context(), "Add", []byte("x")).Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAsyncOutlivesItsSender: the end of the sender's context, and what the sender does with its data,
// changes nothing about a notification that stands in line.
func TestAsyncOutlivesItsSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var mu sync.Mutex
		var ran []string
		tr := &fakeTransport{reply: func(ctx context.Context, _ int, env cluster.Envelope) ([]byte, error) {
			<-release
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, string(env.Data)+env.Headers["h"])
			return nil, ctx.Err()
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		ctx, cancel := context.WithCancel(t.Context())
		data, headers := []byte("a"), map[string]string{"h": "1"}
		with := func(e *cluster.Envelope) { e.Headers = headers }
		first := client.Key("k").NotifyRawAsync(ctx, "Add", data, with)
		second := client.Key("k").NotifyRawAsync(ctx, "Add", data, with)
		cancel()
		data[0], headers["h"] = 'b', "2"
		close(release)
		for _, r := range []*cluster.Receipt{first, second} {
			if err := r.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(ran, []string{"a1", "a1"}) {
			t.Errorf("%q", ran)
		}
	})
}

// TestAsyncEnds: a notification has 30 seconds, or its TTL.
func TestAsyncEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &fakeTransport{reply: func(ctx context.Context, _ int, _ cluster.Envelope) ([]byte, error) {
			<-ctx.Done()
			return nil, outcome.Errorf(ctx.Err(), "for a test").WithOutcome(cluster.MaybeRan)
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		began := time.Now()
		first := client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
		short := client.Key("k").NotifyRawAsync(t.Context(), "Add", nil, cluster.WithTTL(time.Second))
		long := client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
		if err := first.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("the first: %v", err)
		}
		if err := short.Wait(t.Context()); !errors.Is(err, cluster.ErrEnvelopeExpired) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("the second: %v", err)
		}
		if err := long.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("the third: %v", err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

// TestAsyncRawIsCopied: see also the transports' own suite.
func TestAsyncRawIsCopied(t *testing.T) {
	got := make(chan []byte, 1)
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		got <- env.Data
		return nil, nil
	})
	data := []byte("before")
	r := client.Key("k").NotifyRawAsync(t.Context(), "Add", data)
	copy(data, "after.")
	if d := <-got; !bytes.Equal(d, []byte("before")) || r.Wait(t.Context()) != nil {
		t.Errorf("%q", d)
	}
}
