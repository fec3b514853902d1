package howto_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/limits.md

// Quota is a token bucket for each user: ten at once, one more each second.
type (
	Quota struct {
		left float64
		at   time.Time
	}
	Use  struct{ N int }
	Rest struct{ Left int }
)

var errQuota = errors.New("quota exceeded")

func init() { cluster.RegisterError("quota.exceeded", errQuota) }

func (q *Quota) Use(_ *actor.Context, m Use) (Rest, error) {
	now := time.Now()
	q.left, q.at = min(10, q.left+now.Sub(q.at).Seconds()), now
	if float64(m.N) > q.left {
		return Rest{int(q.left)}, errQuota
	}
	q.left -= float64(m.N)
	return Rest{int(q.left)}, nil
}

var quotas = actor.Define("quota", func(string) *Quota { return &Quota{left: 10, at: time.Now()} },
	actor.OnRequest((*Quota).Use), actor.PassivateAfter(time.Minute)) // idle for a minute: it is full again

func TestQuota(t *testing.T) {
	testkit.Alone(t, quotas.New, "ada", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[Rest](e, Use{8}); err != nil {
			t.Error(err)
		}
		if _, err := testkit.Ask[Rest](e, Use{8}); !errors.Is(err, errQuota) {
			t.Errorf("got %v", err)
		}
		e.Advance(6 * time.Second)
		if rest, err := testkit.Ask[Rest](e, Use{8}); err != nil || rest.Left != 0 {
			t.Errorf("%v, %v", rest, err)
		}
	})
}

// bounded is how a service gives a kind and a node bounds of their own.
func bounded() clstr.Options {
	return clstr.Options{
		Name:     "howto",
		On:       clstr.Memory(),
		Entities: clstr.Host(reports),
		Node:     cluster.NodeOptions{MaxInFlightBytes: 64 << 20}, // a container of 512 MiB
	}
}

type (
	Report struct{}
	Render struct{}
	Page   struct{}
)

func (*Report) Render(c *actor.Context, _ Render) (Page, error) {
	select {
	case <-time.After(time.Second):
	case <-c.Done(): // the caller has gone: stop working
	}
	return Page{}, c.Err()
}

var reports = actor.Define("report", func(string) *Report { return &Report{} },
	actor.OnRequest((*Report).Render),
	actor.CacheSize(100), // active keys on a node: each holds a large report
	actor.MailboxSize(1)) // a caller that would wait longer is told at once

// patient asks again while the key has no room, until its own deadline.
func patient[Out any](ctx context.Context, to *cluster.ScopedClient, msg any) (Out, error) {
	for {
		out, err := clstr.Ask[Out](ctx, to, msg)
		after, hint := cluster.RetryAfter(err)
		if !errors.Is(err, cluster.ErrOverloaded) || !hint {
			return out, err
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return out, err
		}
	}
}

func TestMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := bounded()
		opts.Log = quiet
		svc, err := clstr.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer svc.Close(context.Background())
		key := svc.Kind("report").Key("r")
		ended := make(chan error, 4)
		refused := 0
		for range 4 { // one runs, one waits, two are refused
			go func() { // ends with its answer
				_, err := clstr.Ask[Page](t.Context(), key, Render{})
				ended <- err
			}()
			synctest.Wait()
		}
		for range 4 {
			if err := <-ended; errors.Is(err, cluster.ErrOverloaded) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 2 {
			t.Errorf("%d were refused", refused)
		}
		began := time.Now()
		for range 4 {
			go func() { // ends with its answer
				_, err := patient[Page](t.Context(), key, Render{})
				ended <- err
			}()
		}
		for range 4 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took < 4*time.Second {
			t.Errorf("four reports took %v", took)
		}
	})
}
