// A store of state that a test holds up

package handlers_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing/synctest"

	"github.com/clstr-go/clstr/state"
)

// shelf is a keeper that a test holds up, or has refuse.
type shelf struct {
	mu      sync.Mutex
	records map[string]state.Record
	beside  map[string][]state.Entry // of each key, what was spilled
	hold    bool
	held    []func()      // commits, each with its answer
	refuse  error         // what a commit ends with, where nothing is stored
	unread  error         // what a read ends with
	gate    chan struct{} // what reads wait for; nil for nothing
	commits int
	reads   int
	of      map[string]int // reads of records, by key

	spilledReads int
	mostSpilled  int // commands of one change
}

func newShelf() *shelf {
	return &shelf{records: map[string]state.Record{}, beside: map[string][]state.Entry{}, of: map[string]int{}}
}

func (s *shelf) Read(_ context.Context, shard uint32, r state.Range) ([]state.Entry, bool, error) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.unread != nil {
		return nil, false, s.unread
	}
	if r.Place == state.Spilled {
		s.spilledReads++
		return s.beside[r.Key], false, nil
	}
	s.of[r.Key]++
	rec, ok := s.records[r.Key]
	if !ok {
		return nil, false, nil
	}
	e := state.Entry{Place: state.Records, Shard: shard, Kind: r.Kind, Key: r.Key, Record: &rec}
	return []state.Entry{e.Clone()}, false, nil
}

func (s *shelf) Commit(shard uint32, c state.Change, done func(state.Rev, error)) {
	c.Token = state.Token{Shard: shard, N: 1}
	if err := c.Check(); err != nil {
		done(0, err)
		return
	}
	end := func() {
		s.mu.Lock()
		err := s.refuse
		if err == nil {
			s.commits++
			for _, e := range state.Entries(c) {
				if e.Place == state.Spilled {
					s.mostSpilled = max(s.mostSpilled, len(e.Commands))
					s.beside[c.Key] = append(s.beside[c.Key], e.Clone())
				}
			}
			s.records[c.Key] = *state.Entry{Record: c.Record}.Clone().Record
		}
		rev := state.Rev(s.commits)
		s.mu.Unlock()
		done(rev, err)
	}
	s.mu.Lock()
	hold := s.hold
	if hold {
		s.held = append(s.held, end)
	}
	s.mu.Unlock()
	if !hold {
		end()
	}
}

// loads returns how often a key's record was read.
func (s *shelf) loads(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[key]
}

// set changes what the store does from now on.
func (s *shelf) set(f func(*shelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// release answers the commits that are held, and waits for what follows.
func (s *shelf) release() int {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, end := range held {
		end()
	}
	synctest.Wait()
	return len(held)
}

// stored returns the balance in the store; -1 for none.
func (s *shelf) stored(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok || r.Deleted {
		return -1
	}
	var v struct{ Balance int }
	if err := json.Unmarshal(r.State, &v); err != nil {
		return -2
	}
	return v.Balance
}
