// The records in memory

package memstore

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/clstr-go/clstr/membership"
)

var (
	_ membership.Store        = (*Store)(nil)
	_ membership.PassingStore = (*Store)(nil)
)

// Store is a [membership.Store]. Make one with [New].
type Store struct {
	mu       sync.Mutex
	rev      uint64
	records  map[string]membership.Entry
	watchers []*watcher
}

type watcher struct{ f func(membership.Entry) }

// New makes an empty store.
func New() *Store { return &Store{records: map[string]membership.Entry{}} }

// Passing implements [membership.PassingStore].
func (s *Store) Passing() {}

// Write implements [membership.Store].
func (s *Store) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[key].Rev != rev {
		return 0, membership.ErrConflict
	}
	s.rev++
	e := membership.Entry{Key: key, Rev: s.rev, Value: bytes.Clone(value)}
	if value == nil {
		delete(s.records, key)
	} else {
		s.records[key] = e
	}
	for _, w := range s.watchers {
		w.f(e)
	}
	return s.rev, nil
}

// Read implements [membership.Store].
func (s *Store) Read(ctx context.Context, key string) (membership.Entry, error) {
	if err := ctx.Err(); err != nil {
		return membership.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.records[key]; ok {
		return e, nil
	}
	return membership.Entry{Key: key}, nil
}

// Snapshot implements [membership.Store]. Entries are in the order of their keys.
func (s *Store) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []membership.Entry
	for key, e := range s.records {
		if strings.HasPrefix(key, prefix) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b membership.Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries, s.rev, nil
}

// Watch implements [membership.Store].
func (s *Store) Watch(f func(membership.Entry)) (stop func(), err error) {
	w := &watcher{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers = slices.DeleteFunc(s.watchers, func(other *watcher) bool { return other == w })
	}, nil
}
