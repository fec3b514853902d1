package dispatch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

func TestLifetimeEndsTheLastFirst(t *testing.T) {
	l := NewLifetime(silent, nil)
	if LifetimeFrom(l.Context()) != l || LifetimeFrom(t.Context()) != nil {
		t.Error("a context carries the wrong lifetime")
	}
	var made, ended []string
	once := func(name string) any {
		return l.Once(name, func() (any, func()) {
			made = append(made, name)
			return name + "'s value", func() { ended = append(ended, name) }
		})
	}
	for range 2 {
		for _, name := range []string{"a", "b", "c"} {
			if v := once(name); v != name+"'s value" {
				t.Errorf("Once(%q) returned %v", name, v)
			}
		}
	}
	l.End()
	l.End()
	if !slices.Equal(made, []string{"a", "b", "c"}) || !slices.Equal(ended, []string{"c", "b", "a"}) {
		t.Errorf("made %q, ended %q", made, ended)
	}
	for _, name := range []string{"a", "new"} {
		if v := once(name); v != nil {
			t.Errorf("Once(%q) returned %v after End", name, v)
		}
	}
}

func TestLifetimeEndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLifetime(silent, nil)
		hold := make(chan struct{})
		l.Once("slow", func() (any, func()) { return 1, func() { <-hold } })
		var ends sync.WaitGroup
		var mu sync.Mutex
		returned := 0
		for range 3 {
			ends.Go(func() {
				l.End()
				mu.Lock()
				returned++
				mu.Unlock()
			})
		}
		synctest.Wait()
		mu.Lock()
		if returned != 0 {
			t.Errorf("%d of 3 returned before all had ended", returned)
		}
		mu.Unlock()
		close(hold)
		ends.Wait()
	})
}

func TestLifetimeOnceRaces(t *testing.T) {
	for range 200 {
		l := NewLifetime(silent, nil)
		var mu sync.Mutex
		made, ended := 0, 0
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				l.Once("key", func() (any, func()) {
					made++
					return 1, func() { mu.Lock(); ended++; mu.Unlock() }
				})
			})
		}
		all.Go(func() { _ = l.End() })
		all.Wait()
		mu.Lock()
		if made > 1 || made != ended {
			t.Fatalf("made %d times, ended %d times", made, ended)
		}
		mu.Unlock()
	}
}

func TestReceiverBehindAHandler(t *testing.T) {
	l := NewLifetime(silent, nil)
	h := l.HandlerFunc(l.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if LifetimeFrom(ctx) != l {
			t.Error("the handler has another lifetime")
		}
		return append(env.Data, '!'), nil
	}))
	reply, err := h(t.Context(), transport.Envelope{Data: []byte("hello")})
	if err != nil || string(reply) != "hello!" {
		t.Errorf("reply %q, %v", reply, err)
	}
	l.End()
	if _, err := h(t.Context(), transport.Envelope{}); !errors.Is(err, outcome.ErrDraining) || outcome.Of(err) != outcome.NotStarted {
		t.Errorf("after End: %v, %v", err, outcome.Of(err))
	}
	if _, err := l.HandlerFunc(&book{})(t.Context(), transport.Envelope{}); !errors.Is(err, outcome.ErrDraining) || outcome.Of(err) != outcome.NotStarted {
		t.Errorf("made after End: %v, %v", err, outcome.Of(err))
	}
}

func TestSetLogReachesHandlers(t *testing.T) {
	var out bytes.Buffer
	d := NewDispatcher(transport.Limits{}, silent)
	d.SetLog(slog.New(slog.NewTextHandler(&out, nil)))
	s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		LifetimeFrom(ctx).Log().Info("by the handler")
		panic("by the dispatcher")
	})))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Do(t.Context(), transport.Envelope{Type: "Log", Data: []byte("secret-payload")})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"by the handler", "by the dispatcher", "dispatch", "type=Log"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	if strings.Contains(out.String(), "secret-payload") {
		t.Error("the log has the payload")
	}
}
