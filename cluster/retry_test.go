package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// failing answers the first n tries with err, and then with "ok".
func failing(n int, err error) *fakeTransport {
	return &fakeTransport{reply: func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
		if try <= n {
			return nil, err
		}
		return []byte("ok"), nil
	}}
}

func TestOnlyWhatNeverRanIsRetried(t *testing.T) {
	refused := func(sentinel error) error { return outcome.Errorf(sentinel, "refused") }
	for _, c := range []struct {
		name    string
		err     error
		retryOn []error
		retried bool
	}{
		{"draining", refused(cluster.ErrDraining), nil, true},
		{"draining, bare", cluster.ErrDraining, nil, true},
		{"disconnected", refused(cluster.ErrDisconnected), nil, true},
		{"no subscriber, first call to the shard", refused(cluster.ErrTransportNoShardSubscriber), nil, true},
		{"no subscriber, listed", refused(cluster.ErrTransportNoShardSubscriber), []error{cluster.ErrTransportNoShardSubscriber}, true},
		{"overloaded", refused(cluster.ErrOverloaded), nil, false},
		{"overloaded, listed", outcome.Overloaded(time.Millisecond, "full"), []error{cluster.ErrOverloaded}, true},
		{"activation, listed", refused(cluster.ErrActivationFailed), []error{cluster.ErrActivationFailed}, true},
		{"connection lost, listed", refused(cluster.ErrConnectionLost), []error{cluster.ErrConnectionLost}, false},
		{"handler timeout, listed", refused(cluster.ErrHandlerTimeout), []error{cluster.ErrHandlerTimeout}, false},
		{"panicked, listed", refused(cluster.ErrPanicked), []error{cluster.ErrPanicked}, false},
		{"draining, maybe ran", outcome.Errorf(cluster.ErrDraining, "x").WithOutcome(cluster.MaybeRan), nil, false},
		{"draining, of a call of the handler's", outcome.HandlerError(cluster.ErrDraining), nil, false},
		{"application, listed", outcome.HandlerError(errBadAmount), []error{errBadAmount}, false},
		{"unknown, listed", errOther, []error{errOther}, false},
	} {
		for _, call := range []struct {
			name string
			send func(*cluster.Client) error
		}{
			{"request", func(cl *cluster.Client) error { return errOf(cl.RequestKey(context.Background(), "k", "Get", nil)) }},
			{"notify", func(cl *cluster.Client) error { return cl.NotifyKey(context.Background(), "k", "Get", nil) }},
		} {
			synctest.Test(t, func(t *testing.T) {
				tr := failing(3, c.err)
				err := call.send(newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: c.retryOn}))
				switch {
				case c.retried && (err != nil || tr.tries() != 4):
					t.Errorf("%s %s: got %v after %d tries, want success after 4", call.name, c.name, err, tr.tries())
				case !c.retried && (cluster.CodeOf(err) != cluster.CodeOf(c.err) || tr.tries() != 1):
					t.Errorf("%s %s: got %v after %d tries, want the error after 1", call.name, c.name, err, tr.tries())
				}
			})
		}
	}
}

var errOther = errors.New("another transport's error")

func TestRetriesStayInsideTheDeadline(t *testing.T) {
	for name, bound := range map[string]struct {
		timeout time.Duration // of the context; 0 is none
		opts    []cluster.EnvelopeOption
		within  time.Duration
	}{
		"context":      {timeout: time.Second, within: time.Second},
		"TTL":          {opts: []cluster.EnvelopeOption{cluster.WithTTL(2 * time.Second)}, within: 2 * time.Second},
		"both":         {timeout: time.Second, opts: []cluster.EnvelopeOption{cluster.WithTTL(time.Hour)}, within: time.Second},
		"both, TTL":    {timeout: time.Hour, opts: []cluster.EnvelopeOption{cluster.WithTTL(time.Second)}, within: time.Second},
		"the defaults": {within: 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if bound.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, bound.timeout)
				defer cancel()
			}
			tr := failing(1<<30, outcome.Errorf(cluster.ErrDraining, "x"))
			client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
			start := time.Now()
			_, err := client.RequestKey(ctx, "k", "Get", nil, bound.opts...)
			took := time.Since(start)
			wantError(t, err, cluster.ErrDraining, cluster.NotStarted)
			if took > bound.within || took < bound.within-time.Second/2 || tr.tries() < 5 {
				t.Errorf("%s: gave up after %v and %d tries", name, took, tr.tries())
			}
			last := tr.sent[len(tr.sent)-1]
			if left := bound.within - took; last.TTLMs > 0 && len(bound.opts) > 0 && bound.timeout != time.Second &&
				last.TTL() > left+time.Second/2 {
				t.Errorf("%s: the last try had a TTL of %v, with %v left", name, last.TTL(), left)
			}
		})
	}
}

// TestTTLStaysTheCallersInRetries: a short context does not make its end look
// like that of a long TTL.
func TestTTLStaysTheCallersInRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tr := failing(3, outcome.Errorf(cluster.ErrDraining, "x"))
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		if _, err := client.RequestKey(ctx, "k", "Get", nil, cluster.WithTTL(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if ttl := tr.sent[3].TTL(); ttl < 59*time.Second {
			t.Errorf("the last try had a TTL of %v", ttl)
		}
	})
}

func TestHintIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := failing(2, outcome.Overloaded(time.Second, "full"))
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: []error{cluster.ErrOverloaded}})
		start := time.Now()
		if _, err := client.RequestKey(t.Context(), "k", "Get", nil); err != nil || time.Since(start) < 2*time.Second {
			t.Errorf("got %v after %v, want success after 2 s", err, time.Since(start))
		}
	})
}

// TestCancelledWhileItRetries: the caller's cancellation is reported, and what
// it was waiting for.
func TestCancelledWhileItRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tr := failing(1<<30, outcome.Overloaded(10*time.Second, "full"))
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: []error{cluster.ErrOverloaded}})
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := client.RequestKey(ctx, "k", "Get", nil)
		wantError(t, err, context.Canceled, cluster.NotStarted)
		wantError(t, err, cluster.ErrOverloaded, cluster.NotStarted)
		if took := time.Since(start); took != time.Second {
			t.Errorf("returned after %v, want 1 s", took)
		}
	})
}

// TestDefaultDeadline: also through a transport that knows only the context.
func TestDefaultDeadline(t *testing.T) {
	hang := func(ctx context.Context, _ int, _ cluster.Envelope) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, c := range map[string]struct {
		send func(*cluster.Client) error
		want time.Duration
	}{
		"request": {func(cl *cluster.Client) error { return errOf(cl.RequestKey(context.Background(), "k", "Get", nil)) }, 30 * time.Second},
		"notify":  {func(cl *cluster.Client) error { return cl.NotifyKey(context.Background(), "k", "Get", nil) }, 30 * time.Second},
		"long TTL": {func(cl *cluster.Client) error {
			return errOf(cl.RequestKey(context.Background(), "k", "Get", nil, cluster.WithTTL(time.Minute)))
		}, 61 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, cluster.ClientOptions{Transport: &fakeTransport{reply: hang}, NumShards: 4})
			start := time.Now()
			err := c.send(client)
			wantError(t, err, context.DeadlineExceeded, cluster.MaybeRan)
			if took := time.Since(start); took != c.want || !strings.Contains(err.Error(), "Get") {
				t.Errorf("%s: got %v after %v, want %v", name, err, took, c.want)
			}
		})
	}
}
