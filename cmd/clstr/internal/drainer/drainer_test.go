package drainer

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
)

var (
	a = record.Ref{Name: "a", Incarnation: "1"}
	b = record.Ref{Name: "b", Incarnation: "1"}
)

// script is a store in which the node does what a test says, between the calls of
// the drainer.
type script struct {
	*memstore.Store
	t        *testing.T
	before   func() // the next write
	after    func() // the next write, before its caller knows
	deafened bool
}

func (s *script) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	rev, err := s.Store.Write(ctx, key, rev, value)
	if f := s.after; f != nil && err == nil {
		s.after = nil
		f()
	}
	return rev, err
}

func (s *script) Watch(f func(membership.Entry)) (stop func(), err error) {
	if s.deafened {
		return func() {}, nil
	}
	return s.Store.Watch(f)
}

func (s *script) put(key string, record any) {
	s.t.Helper()
	e, err := s.Read(s.t.Context(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	value, err := json.Marshal(record)
	if err == nil {
		_, err = s.Store.Write(s.t.Context(), key, e.Rev, value)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) state(state string, by record.Ref) {
	s.put(record.MemberKey(a), record.Member{State: state, Counter: 9, Weight: 2, By: by})
}

func (s *script) own(shard uint32, r record.Shard) { s.put(record.ShardKey(shard), r) }

func (s *script) member() record.Member {
	e, err := s.Read(s.t.Context(), record.MemberKey(a))
	m, err2 := record.Decode[record.Member](e.Value)
	if err != nil || err2 != nil {
		s.t.Fatal(err, err2)
	}
	return m
}

// started is a node with the shards 0 to 2, and one that is another's.
func started(t *testing.T) *script {
	t.Helper()
	s := &script{Store: memstore.New(), t: t}
	s.state(record.Active, record.Ref{})
	for shard := range uint32(3) {
		s.own(shard, record.Shard{Owner: a, Count: 1, Why: record.Claimed})
	}
	s.own(3, record.Shard{Owner: b, Count: 4, Why: record.HandedOver, From: a, PausedUs: 9_000_000, Cost: outcome.DrainCounts{Lost: 9}})
	return s
}

// leaves is what a node does that was asked: one shard each way.
func (s *script) leaves() {
	s.own(0, record.Shard{Owner: b, Count: 2, Why: record.HandedOver, From: a, PausedUs: 1500, Cost: outcome.DrainCounts{Parked: 3, Lost: 1}})
	s.own(1, record.Shard{Count: 2, Why: record.Released, From: a, PausedUs: 2500, Cost: outcome.DrainCounts{Parked: 4, Dropped: 2}})
	s.state(record.Left, record.Ref{})
	s.own(2, record.Shard{Owner: b, Count: 2, Why: record.Claimed, From: a})
}

func (s *script) drain(ctx context.Context) (Report, []int, error) {
	s.t.Helper()
	d, err := New(s)
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	if err := d.Ask(ctx, a); err != nil {
		return Report{}, nil, err
	}
	var shown []int
	r, err := d.Wait(ctx, func(done, of int) { shown = append(shown, done, of) })
	return r, shown, err
}

func (s *script) wantLeft(r Report, err error) {
	s.t.Helper()
	if err != nil || r.State != record.Left || r.Remaining != 0 || r.To["b"] != 2 || r.Moved() != 2 || r.Released != 1 || r.Claimed != 1 {
		s.t.Errorf("%+v, %v", r, err)
	}
	if len(r.Pauses) != 2 || r.Pauses[0]+r.Pauses[1] != 4*time.Millisecond {
		s.t.Errorf("pauses %v", r.Pauses)
	}
	if r.Since {
		s.t.Error("it was leaving before")
	}
	if want := (outcome.DrainCounts{Parked: 7, Dropped: 2, Lost: 1}); r.Cost != want {
		s.t.Errorf("cost %+v, want %+v", r.Cost, want)
	}
}

// TestLeavesAtOnce: before the write that asks it is known to have happened.
func TestLeavesAtOnce(t *testing.T) {
	s := started(t)
	s.after = func() {
		if m := s.member(); m.State != record.Leaving || m.Counter != 9 || m.Weight != 2 || m.Born == 0 {
			t.Errorf("it was asked by %+v", m)
		}
		s.leaves()
	}
	r, shown, err := s.drain(t.Context())
	s.wantLeft(r, err)
	if len(shown) != 2 || shown[0] != 3 || shown[1] != 3 {
		t.Errorf("shown %v", shown)
	}
}

// TestRenewalComesFirst: the node renews between the look and the write.
func TestRenewalComesFirst(t *testing.T) {
	s := started(t)
	s.before = func() { s.state(record.Active, record.Ref{}); s.after = s.leaves }
	r, _, err := s.drain(t.Context())
	s.wantLeft(r, err)
}

// TestHintsAreLost: what nobody tells is seen at the next look.
func TestHintsAreLost(t *testing.T) {
	s := started(t)
	s.deafened = true
	s.after = s.leaves
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*pollEvery)
		defer cancel()
		r, _, err := s.drain(ctx)
		s.wantLeft(r, err)
	})
}

// TestWaitEnds: with its context, and the report says how far it is.
func TestWaitEnds(t *testing.T) {
	s := started(t)
	s.after = func() {
		s.own(0, record.Shard{Owner: b, Count: 2, Why: record.HandedOver, From: a})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		r, _, err := s.drain(ctx)
		if err != context.DeadlineExceeded || r.State != record.Leaving || r.Moved() != 1 || r.Remaining != 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	s.state(record.Leaving, record.Ref{}) // another watches on
	before := s.member()
	d, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Ask(t.Context(), a); err != nil || s.member().Counter != before.Counter {
		t.Errorf("asking again: %v", err)
	}
	s.own(1, record.Shard{Owner: b, Count: 2, Why: record.HandedOver, From: a})
	s.own(2, record.Shard{Owner: b, Count: 2, Why: record.HandedOver, From: a})
	s.state(record.Left, record.Ref{})
	if r, err := d.Wait(t.Context(), func(int, int) {}); err != nil || r.Moved() != 2 || !r.Since {
		t.Errorf("watching on: %+v, %v", r, err)
	}
}

// TestDoesNotLeave: it dies, or goes on.
func TestDoesNotLeave(t *testing.T) {
	for want, then := range map[string]func(s *script){
		"node a.1 died while it left: b.1 has declared it dead": func(s *script) { s.state(record.Dead, b) },
		"node a.1 does not leave":                               func(s *script) { s.state(record.Active, record.Ref{}) },
	} {
		s := started(t)
		s.after = func() { then(s) }
		if r, _, err := s.drain(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v, want %q", r, err, want)
		}
	}
}

// TestHasGone: nobody is there to be asked.
func TestHasGone(t *testing.T) {
	for state, want := range map[string]string{record.Left: "has left already", record.Dead: "was declared dead by b.1"} {
		s := started(t)
		s.state(state, b)
		if _, _, err := s.drain(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", state, err)
		}
	}
	s := &script{Store: memstore.New(), t: t}
	if _, _, err := s.drain(t.Context()); err == nil || !strings.Contains(err.Error(), "has gone") {
		t.Errorf("no record: %v", err)
	}
}
