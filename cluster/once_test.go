package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
)

// ways are a request and a notification to a key.
var ways = map[string]func(*cluster.Client, context.Context, ...cluster.EnvelopeOption) error{
	"request": func(cl *cluster.Client, ctx context.Context, opts ...cluster.EnvelopeOption) error {
		return errOf(cl.RequestKey(ctx, "k", "Pay", nil, opts...))
	},
	"notify": func(cl *cluster.Client, ctx context.Context, opts ...cluster.EnvelopeOption) error {
		return cl.NotifyKey(ctx, "k", "Pay", nil, opts...)
	},
}

// TestCommandIsTriedAgain: what may have run is tried again if it has an ID, and never
// without one.
func TestCommandIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		retried bool // with an ID
	}{
		"the connection was lost":       {outcome.New(cluster.ErrConnectionLost), true},
		"the owner lost the shard":      {outcome.New(cluster.ErrNotOwner).WithOutcome(cluster.MaybeRan), true},
		"the node ended":                {outcome.New(cluster.ErrDraining).WithOutcome(cluster.MaybeRan), true},
		"the handler was too late":      {outcome.New(cluster.ErrHandlerTimeout), true},
		"another transport's error":     {errOther, true},
		"deposed":                       {outcome.New(cluster.ErrDeposed), true},
		"a TTL that has ended":          {outcome.New(cluster.ErrEnvelopeExpired).WithOutcome(cluster.MaybeRan), false},
		"a panic":                       {outcome.New(cluster.ErrPanicked), false},
		"a right that may have been":    {outcome.New(cluster.ErrNotPermitted).WithOutcome(cluster.MaybeRan), false},
		"the caller has gone":           {outcome.ContextError(context.Canceled, cluster.MaybeRan), false},
		"a handler's error":             {outcome.HandlerError(errBadAmount), false},
		"a reply that is of no use":     {outcome.New(cluster.ErrReply), false},
		"an ID of another command":      {outcome.New(cluster.ErrIDReused), false},
		"a kind that keeps no state":    {outcome.New(cluster.ErrNotDurable), false},
		"a command that was begun":      {outcome.New(cluster.ErrBegun), false},
		"too many commands, not listed": {outcome.Overloaded(time.Millisecond, "full"), false},
	} {
		for way, send := range ways {
			for _, opts := range [][]cluster.EnvelopeOption{nil, {cluster.WithID("order-1")}, {cluster.Once()}} {
				synctest.Test(t, func(t *testing.T) {
					tr := failing(3, c.err)
					err := send(newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), t.Context(), opts...)
					if again := c.retried && opts != nil; again != (err == nil) || again != (tr.tries() == 4) || !again && tr.tries() != 1 {
						t.Errorf("%s, %s, %d options: %v after %d tries", name, way, len(opts), err, tr.tries())
					}
				})
			}
		}
	}
}

// TestTriesShareTheID, also those of an Intercept that calls next again; each is older than
// the one before. Two calls share none.
func TestTriesShareTheID(t *testing.T) {
	intercept := func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
		for range 2 {
			if err := next(ctx); err != nil {
				return err
			}
			<-time.After(time.Minute)
		}
		return nil
	}
	for name, opts := range map[string][]cluster.EnvelopeOption{"chosen": {cluster.WithID("order-1")}, "once": {cluster.Once()}} {
		for _, client := range []cluster.ClientOptions{{}, {Intercept: intercept}, {EnvelopeOptions: opts}, {EnvelopeOptions: opts, Intercept: intercept}} {
			synctest.Test(t, func(t *testing.T) {
				tr := &fakeTransport{reply: func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
					<-time.After(time.Second)
					if try%4 != 0 {
						return nil, outcome.New(cluster.ErrConnectionLost)
					}
					return []byte("ok"), nil
				}}
				client.Transport, client.NumShards = tr, 4
				calling := opts
				if client.EnvelopeOptions != nil {
					calling = nil
				}
				if err := ways["request"](newClient(t, client), context.Background(), calling...); err != nil {
					t.Fatal(err)
				}
				began := time.UnixMilli(tr.sent[0].CreatedAtMs)
				for i, env := range tr.sent {
					least := time.UnixMilli(env.CreatedAtMs).Sub(began)
					if i > 0 && least < time.Second {
						t.Fatalf("try %d came %v after the first", i+1, least)
					}
					// The age goes on while the test looks: it is at least that of the moment when
					// the envelope was made.
					if env.ID == "" || env.ID != tr.sent[0].ID || time.Duration(env.AgeMs)*time.Millisecond < least-time.Millisecond {
						t.Errorf("%s: try %d, %v after the first, has ID %q and %d ms", name, i+1, least, env.ID, env.AgeMs)
					}
				}
				id := tr.sent[0].ID
				tr.sent = nil
				_ = ways["request"](newClient(t, client), context.Background(), calling...)
				if same := tr.sent[0].ID == id; same != (name == "chosen") {
					t.Errorf("%s: two calls have the IDs %q and %q", name, id, tr.sent[0].ID)
				}
			})
		}
	}
}

// TestRefusalAfterDoubt: a refusal of a later try does not make a command one that never
// ran, and an error of the handler does not say what an earlier try has done.
func TestRefusalAfterDoubt(t *testing.T) {
	doubt := outcome.New(cluster.ErrConnectionLost)
	for name, c := range map[string]struct {
		errs []error
		want cluster.Outcome
	}{
		"doubt, then a refusal":                   {[]error{doubt, outcome.New(cluster.ErrOverloaded)}, cluster.MaybeRan},
		"doubt, then a bare one":                  {[]error{doubt, cluster.ErrOverloaded}, cluster.MaybeRan},
		"doubt, then the handler's error":         {[]error{doubt, outcome.HandlerError(errBadAmount)}, cluster.MaybeRan},
		"deposed, then a refusal":                 {[]error{outcome.New(cluster.ErrDeposed), outcome.New(cluster.ErrUnknownKind)}, cluster.RanAndFailed},
		"a refusal, then another":                 {[]error{outcome.New(cluster.ErrDraining), outcome.New(cluster.ErrOverloaded)}, cluster.NotStarted},
		"refused, then the handler's error":       {[]error{outcome.New(cluster.ErrDraining), outcome.HandlerError(errBadAmount)}, cluster.RanAndFailed},
		"refused, doubt, refused, then a refusal": {[]error{outcome.New(cluster.ErrDraining), doubt, outcome.New(cluster.ErrNotOwner), outcome.New(cluster.ErrUnknownKind)}, cluster.MaybeRan},
	} {
		for way, send := range ways {
			synctest.Test(t, func(t *testing.T) {
				tr := &fakeTransport{reply: func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
					return nil, c.errs[min(try, len(c.errs))-1]
				}}
				err := send(newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), t.Context(), cluster.Once())
				last := c.errs[len(c.errs)-1]
				if cluster.OutcomeOf(err) != c.want || cluster.CodeOf(err) != cluster.CodeOf(last) || tr.tries() != len(c.errs) {
					t.Errorf("%s, %s: %v (%v) after %d tries", name, way, err, cluster.OutcomeOf(err), tr.tries())
				}
			})
		}
	}
}

// TestCommandStaysInsideTheDeadline: doubt that lasts is told as what it is.
func TestCommandStaysInsideTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		tr := failing(1<<30, outcome.New(cluster.ErrConnectionLost))
		began := time.Now()
		err := ways["request"](newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), ctx, cluster.WithID("order-1"))
		wantError(t, err, cluster.ErrConnectionLost, cluster.MaybeRan)
		if took := time.Since(began); took > 10*time.Second || took < 9*time.Second || tr.tries() > 200 {
			t.Errorf("gave up after %v and %d tries", took, tr.tries())
		}
	})
}

// relaid is a client's transport whose nodes have another layout at the second try.
type relaid struct {
	*fakeTransport
	asked int
}

func (f *relaid) Layout(context.Context) (uint32, string, error) {
	f.asked++
	return uint32(4 * f.asked), "", nil
}

// TestIDUnderAnotherLayout: the ID of Once is that of the call, whichever layout it is
// sent under, and so is what its tries have done.
func TestIDUnderAnotherLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := []error{outcome.New(cluster.ErrConnectionLost), outcome.New(cluster.ErrLayoutMismatch), outcome.New(cluster.ErrUnknownKind)}
		tr := &relaid{fakeTransport: &fakeTransport{reply: func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
			<-time.After(time.Second)
			if try == 1 {
				return nil, nil
			}
			return nil, errs[min(try, 4)-2]
		}}}
		client := newClient(t, cluster.ClientOptions{Transport: tr})
		if err := ways["request"](client, t.Context()); err != nil { // the client learns the layout
			t.Fatal(err)
		}
		err := ways["request"](client, t.Context(), cluster.Once())
		wantError(t, err, cluster.ErrUnknownKind, cluster.MaybeRan)
		if tr.tries() != 4 || tr.sent[1].NumShards == tr.sent[3].NumShards {
			t.Fatalf("%d tries", tr.tries())
		}
		if last := tr.sent[3]; last.ID == "" || last.ID != tr.sent[1].ID || last.AgeMs < 2000 {
			t.Errorf("first %q, then %q, %d ms old", tr.sent[1].ID, last.ID, last.AgeMs)
		}
	})
}

// TestBadID: what cannot be an ID is not sent, and says what is allowed.
func TestBadID(t *testing.T) {
	for name, id := range map[string]string{"empty": "", "long": string(slices.Repeat([]byte("i"), bounds.MaxIDBytes+1)), "not UTF-8": "\xff"} {
		for way, send := range ways {
			tr := failing(0, nil)
			err := send(newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), t.Context(), cluster.WithID(id))
			wantError(t, err, cluster.ErrBadEnvelope, cluster.NotSent)
			if tr.tries() != 0 || len(fmt.Sprint(err)) > 1000 {
				t.Errorf("%s, %s: %v after %d tries", name, way, err, tr.tries())
			}
		}
	}
}

// TestInterceptSeesTheID.
func TestInterceptSeesTheID(t *testing.T) {
	var seen []string
	client := newClient(t, cluster.ClientOptions{Transport: failing(0, nil), NumShards: 4,
		Intercept: func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			seen = append(seen, out.ID())
			return next(ctx)
		}})
	for _, send := range ways {
		if err := errors.Join(send(client, t.Context()), send(client, t.Context(), cluster.WithID("order-1"))); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []string{"", "order-1", "", "order-1"}) {
		t.Errorf("%q", seen)
	}
}

// TestCommandThatIsTooOld: a node's refusal of an old command is told as that, and not as the
// end of the call's own time.
func TestCommandThatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := failing(1, outcome.Errorf(cluster.ErrEnvelopeExpired, "the first try was long ago"))
		err := ways["request"](newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), context.Background(), cluster.WithID("order-1"))
		wantError(t, err, cluster.ErrEnvelopeExpired, cluster.NotStarted)
		if errors.Is(err, context.DeadlineExceeded) || tr.tries() != 1 {
			t.Errorf("%v after %d tries", err, tr.tries())
		}
	})
}
