package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

type limitError struct {
	Limit, Asked int
}

func (e limitError) Error() string { return fmt.Sprintf("%d asked, %d allowed", e.Asked, e.Limit) }

func init() { cluster.RegisterErrorType[limitError]("test.limit") }

func TestErrorsKeepTheirIdentityAndSayWhatWasDone(t *testing.T) {
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		switch env.Type {
		case "sentinel":
			return nil, fmt.Errorf("account a-1: %w", errBadAmount)
		case "typed":
			return nil, fmt.Errorf("account a-1: %w", limitError{Limit: 3, Asked: 5})
		}
		return nil, errors.New("nobody registered this")
	})
	request := func(msgType string) error { return errOf(client.RequestKey(t.Context(), "user-1", msgType, nil)) }

	err := request("sentinel")
	wantError(t, err, errBadAmount, cluster.RanAndFailed)
	if cluster.CodeOf(err) != "test.bad_amount" || !strings.Contains(err.Error(), "account a-1: amount must be positive") {
		t.Errorf("got %q, code %s", err, cluster.CodeOf(err))
	}
	err = request("typed")
	var limit limitError
	if !errors.As(err, &limit) || limit != (limitError{3, 5}) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("got %v, %+v", err, limit)
	}
	err = request("other")
	var e *cluster.Error
	if !errors.As(err, &e) || e.Code != "application" || !strings.Contains(err.Error(), "nobody registered this") {
		t.Errorf("got %v", err)
	}
	shard := cluster.ShardFromString("user-1", 4, "")
	for _, part := range []string{"request other", `key "user-1"`, fmt.Sprintf("shard %d", shard)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
}

// A call of an entity that has no key yet is refused before it is sent.
func TestEmptyKeyIsOfAKind(t *testing.T) {
	_, err := newClient(t, cluster.ClientOptions{Transport: failing(1<<30, errOther), NumShards: 1}).Kind("account").Key("").Request(t.Context(), touch{})
	if !errors.Is(err, cluster.ErrKeyRequired) || !strings.Contains(err.Error(), `request touch to "account" (shard 0): key is required`) {
		t.Error(err)
	}
}

func TestOperationsAreNamed(t *testing.T) {
	client := newClient(t, cluster.ClientOptions{Transport: failing(1<<30, errOther), NumShards: 1})
	ctx := t.Context()
	long := strings.Repeat("k", 1000)
	for _, c := range []struct {
		err   error
		parts []string
	}{
		{errOf(client.RequestKey(ctx, "k", "Get", nil)), []string{`request Get to key "k" (shard 0): another`}},
		{client.NotifyKey(ctx, "k", "Touch", nil), []string{`notify Touch to key "k" (shard 0): another`}},
		{client.NotifyKey(ctx, "k", "Touch", nil, cluster.WithoutAck()), []string{`notify Touch to key "k" (shard 0): another`}},
		{errOf(client.RequestShard(ctx, 0, "Get", nil)), []string{"request Get to shard 0: another"}},
		{errOf(client.Kind("account").Key("a-1").Request(ctx, touch{})), []string{`request touch to "account" key "a-1" (shard 0): another`}},
		{errOf(client.RequestKey(ctx, long, "Get", nil)), []string{`"kkkk`, `"... (1000 bytes)`}},
		{errOf(client.RequestKey(ctx, "k", strings.Repeat("T", 300), nil)), []string{`"TTTT`, `"... (300 bytes)`}},
		{errOf(client.RequestKey(ctx, "\xff\x00", "Get", nil)), []string{`"\xff\x00"`}},
		{func() error { _, err := client.Shard(0).GetNodeInfo(ctx); return err }(), []string{"request clstr.node.info to shard 0"}},
	} {
		for _, p := range c.parts {
			if !strings.Contains(c.err.Error(), p) {
				t.Errorf("%q does not say %s", c.err, p)
			}
		}
		if len(c.err.Error()) > 250 || !errors.Is(c.err, errOther) {
			t.Errorf("%q is long, or not the transport's", c.err)
		}
	}
}

// TestDeadlinesAreContextErrors: a caller's own deadline and the default one
// look as contexts do, a TTL of its own as a TTL.
func TestDeadlinesAreContextErrors(t *testing.T) {
	hang := func(ctx context.Context, _ cluster.Envelope) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, hang, func(n *cluster.NodeOptions, c *cluster.ClientOptions) {
			tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{HandlerTimeout: -1})
			t.Cleanup(func() { _ = tr.Close() })
			n.Transport, c.Transport = tr, tr
		})
		for _, c := range []struct {
			name    string
			timeout time.Duration
			opts    []cluster.EnvelopeOption
			want    error
			after   time.Duration
		}{
			{"deadline", time.Second, nil, context.DeadlineExceeded, time.Second},
			{"default", 0, nil, context.DeadlineExceeded, 30 * time.Second},
			{"TTL", 0, []cluster.EnvelopeOption{cluster.WithTTL(2 * time.Second)}, cluster.ErrEnvelopeExpired, 2 * time.Second},
			{"deadline before TTL", time.Second, []cluster.EnvelopeOption{cluster.WithTTL(time.Minute)}, context.DeadlineExceeded, time.Second},
		} {
			ctx, cancel := context.Background(), context.CancelFunc(func() {})
			if c.timeout > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.timeout)
			}
			start := time.Now()
			_, err := client.RequestKey(ctx, "k", "Get", nil, c.opts...)
			cancel()
			wantError(t, err, c.want, cluster.MaybeRan)
			if took := time.Since(start); took != c.after {
				t.Errorf("%s: %v after %v, want %v", c.name, err, took, c.after)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		wantError(t, errOf(client.RequestKey(ctx, "k", "Get", nil)), context.Canceled, cluster.MaybeRan)
		wantError(t, errOf(client.RequestKey(ctx, "k", "Get", nil)), context.Canceled, cluster.NotSent)
	})
}

// TestHandlersOwnExpiry: what a handler passes on of another call is the
// handler's error, and not the end of this one.
func TestHandlersOwnExpiry(t *testing.T) {
	var counts recorder
	client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) {
		return nil, fmt.Errorf("asking the ledger: %w", outcome.Errorf(cluster.ErrEnvelopeExpired, "shard 9"))
	}, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) { c.Metrics = &counts })
	_, err := client.RequestKey(t.Context(), "k", "Get", nil)
	wantError(t, err, cluster.ErrEnvelopeExpired, cluster.RanAndFailed)
	if errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "asking the ledger") {
		t.Errorf("got %v, want the handler's error", err)
	}
	if n := counts.count("transport_error ttl_expired"); n != 0 {
		t.Error("it was counted as a transport error")
	}
}
