package cluster_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
)

// What waiting does not mend ends the loop, with the error.
func TestWatchEnds(t *testing.T) {
	for _, err := range []error{cluster.ErrNotPermitted, state.ErrClosed, state.ErrInvalid} {
		s := &shownStates{err: err}
		watched(t, s, func(t *testing.T, l *watchtest.Loop) {
			if got := l.WantEnd(); !errors.Is(got, err) {
				t.Errorf("ends with %v, want %v", got, err)
			}
		})
		s = &shownStates{refuses: err}
		watched(t, s, func(t *testing.T, l *watchtest.Loop) {
			if got := l.WantEnd(); !errors.Is(got, err) {
				t.Errorf("ends with %v, want %v", got, err)
			}
		})
	}
}

// The end of its context ends the loop: with the reason, if nothing could be told.
func TestWatchEndsWithItsContext(t *testing.T) {
	outage := errors.New("no route")
	for _, c := range []struct {
		s    *shownStates
		told int
		want []error
	}{
		{&shownStates{entry: shown(1, 1)}, 1, nil},
		{&shownStates{err: outage}, 1, []error{outage, context.DeadlineExceeded}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			told, last := 0, error(nil)
			for _, last = range cluster.Watch[watchtest.Account](ctx, watchtest.NewClient(t, c.s, 1).Kind("account").Key("a")) {
				told++
			}
			if told != c.told || (last == nil) != (c.want == nil) {
				t.Errorf("told %d times, at the end %v", told, last)
			}
			for _, want := range c.want {
				if !errors.Is(last, want) {
					t.Errorf("ends with %v, want %v", last, want)
				}
			}
		})
	}
}

// A loop may be left at any moment, and begun again.
func TestWatchIsLeft(t *testing.T) {
	s := &shownStates{entry: shown(1, 1)}
	synctest.Test(t, func(t *testing.T) {
		watch := cluster.Watch[watchtest.Account](t.Context(), watchtest.NewClient(t, s, 1).Kind("account").Key("a"))
		for range 3 {
			for change, err := range watch {
				if err != nil || change.State.Balance != 1 {
					t.Errorf("told %+v, %v", change, err)
				}
				break
			}
			if s.f != nil {
				t.Error("the store's watch goes on")
			}
		}
		s.show(nil, state.ErrClosed)
		for range watch {
			break
		}
	})
}

func TestWatchRefuses(t *testing.T) {
	var none *shownStates
	s := &shownStates{}
	for name, c := range map[string]struct {
		key  *cluster.ScopedClient
		want error
	}{
		"no client":    {nil, cluster.ErrBadOption},
		"no store":     {watchtest.NewClient(t, nil, 1).Kind("account").Key("a"), cluster.ErrBadOption},
		"a nil store":  {watchtest.NewClient(t, none, 1).Kind("account").Key("a"), cluster.ErrBadOption},
		"an empty key": {watchtest.NewClient(t, s, 1).Kind("account").Key(""), cluster.ErrKeyRequired},
		"no kind":      {watchtest.NewClient(t, s, 1).Key("a"), cluster.ErrBadOption},
		"a shard":      {watchtest.NewClient(t, s, 1).Shard(0), cluster.ErrKeyRequired},
	} {
		told := 0
		for change, err := range cluster.Watch[watchtest.Account](t.Context(), c.key) {
			if told++; !errors.Is(err, c.want) || change.Rev != 0 {
				t.Errorf("%s: told %+v, %v", name, change, err)
			}
		}
		if told != 1 {
			t.Errorf("%s: told %d times", name, told)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { return nil, nil }
func (*panics) UnmarshalJSON([]byte) error  { panic("no") }

// What is stored comes as the type that the loop asks for, or as an error.
func TestWatchDecodes(t *testing.T) {
	body, err := proto.Marshal(wrapperspb.Int64(42))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, asProto := &shownStates{entry: shown(1, 42)}, &shownStates{entry: shown(1, 0)}
	asProto.entry.Record.Type, asProto.entry.Record.State = "protobuf", body
	first := func(s *shownStates) *cluster.ScopedClient {
		return watchtest.NewClient(t, s, 1).Kind("account").Key("a")
	}
	for change, err := range cluster.Watch[*wrapperspb.Int64Value](t.Context(), first(asProto)) {
		if err != nil || change.State.GetValue() != 42 {
			t.Errorf("protobuf: %+v, %v", change, err)
		}
		break
	}
	for change, err := range cluster.Watch[map[string]int](t.Context(), first(asJSON)) {
		if err != nil || change.State["Balance"] != 42 {
			t.Errorf("a map: %+v, %v", change, err)
		}
		break
	}
	for change, err := range cluster.Watch[*wrapperspb.Int64Value](t.Context(), first(asJSON)) {
		if !errors.Is(err, state.ErrUnreadable) || change.State != nil {
			t.Errorf("JSON as protobuf: %+v, %v", change, err)
		}
		break
	}
	for _, err := range cluster.Watch[panics](t.Context(), first(asJSON)) {
		if !errors.Is(err, state.ErrUnreadable) {
			t.Errorf("a decoder that panics: %v", err)
		}
		break
	}
}

// A client that does not know how keys map to shards learns it before it watches.
func TestWatchLearnsTheLayout(t *testing.T) {
	s := &shownStates{entry: shown(1, 1)}
	synctest.Test(t, func(t *testing.T) {
		l := watchtest.Watch(t, watchtest.NewClient(t, s, 0).Kind("account").Key("a"))
		wantNothing(t, l, time.Minute)
		if reads, _ := s.counted(); reads > 0 {
			t.Error("it reads a shard that it does not know")
		}
		l.Stop()
	})
}
