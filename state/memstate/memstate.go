// The store in memory

package memstate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/state"
)

var _ state.Store = (*Store)(nil)

// Store is a [state.Store]. Make one with [New].
type Store struct {
	mu       sync.Mutex
	sign     state.Signature
	adopt    bool
	rev      state.Rev
	shards   map[uint32]*shard
	watchers []*watcher
}

type address struct{ kind, key string }

// shard is what is stored of one shard.
type shard struct {
	fence state.Fence
	at    state.Rev // of the fence
	// newest has the places that keep one entry of a key, and lists the other places, in order.
	newest [state.Places]map[address]state.Entry
	lists  [state.Places][]state.Entry
	ids    map[mailID]appended
}

type mailID struct{ kind, key, id string }

type appended struct {
	rev state.Rev
	at  time.Time
}

// sameMail is how long the ID of appended mail is remembered.
const sameMail = 2 * time.Minute

type watcher struct {
	r state.Range
	f func(state.Entry)
}

// New makes an empty store.
func New() *Store { return &Store{shards: map[uint32]*shard{}} }

// Adopt lets the next cluster that opens a shard take over the state of another cluster.
func (s *Store) Adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopt = true
}

func (s *Store) shard(id uint32) *shard {
	sh := s.shards[id]
	if sh == nil {
		sh = &shard{ids: map[mailID]appended{}}
		for p := range sh.newest {
			sh.newest[p] = map[address]state.Entry{}
		}
		s.shards[id] = sh
	}
	return sh
}

// Open implements [state.Store].
func (s *Store) Open(ctx context.Context, id uint32, o state.Owner, held state.Token) (state.Token, error) {
	if err := ctx.Err(); err != nil {
		return state.Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sign, err := s.sign, error(nil)
	if held == (state.Token{}) {
		if sign, err = sign.Admit(o, s.adopt); err != nil {
			return state.Token{}, err
		}
	}
	sh := s.shard(id)
	next, err := sh.fence.Move(id, o, held)
	if err != nil {
		return state.Token{}, err
	}
	if sign.Cluster != s.sign.Cluster {
		s.adopt = false
	}
	s.rev++
	s.sign, sh.fence, sh.at = sign, next, s.rev
	return next.Token(id, s.rev), nil
}

// current returns the shard of a token, or ErrDeposed.
func (s *Store) current(t state.Token) (*shard, error) {
	sh := s.shard(t.Shard)
	if sh.fence.Token(t.Shard, sh.at) != t {
		return nil, fmt.Errorf("%w: shard %d was opened in epoch %d", state.ErrDeposed, t.Shard, sh.fence.Epoch)
	}
	return sh, nil
}

// Commit implements [state.Store].
func (s *Store) Commit(c state.Change, done func(state.Rev, error)) { done(s.commit(c)) }

func (s *Store) commit(c state.Change) (state.Rev, error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.current(c.Token)
	if err != nil {
		return 0, err
	}
	for _, drop := range c.Drop {
		sh.lists[drop.Place] = slices.DeleteFunc(sh.lists[drop.Place], func(e state.Entry) bool { return e.Rev == drop.Rev })
	}
	var rev state.Rev
	for i, e := range state.Entries(c) {
		if at := s.put(e); i == 0 {
			rev = at
		}
	}
	return rev, nil
}

// put stores an entry.
func (s *Store) put(e state.Entry) state.Rev {
	s.rev++
	e.Rev, e.Time = s.rev, time.Now()
	e = e.Clone()
	sh, at := s.shard(e.Shard), address{e.Kind, e.Key}
	switch {
	case e.Place == state.Reminders && len(e.Reminders) == 0:
		delete(sh.newest[e.Place], at)
	case e.Place == state.Records || e.Place == state.Reminders:
		sh.newest[e.Place][at] = e
	default:
		sh.lists[e.Place] = append(sh.lists[e.Place], e)
	}
	for _, w := range s.watchers {
		if w.r.Place == e.Place && w.r.Shard == e.Shard && w.r.Has(e.Kind, e.Key, e.Rev) {
			w.f(e.Clone())
		}
	}
	return s.rev
}

// Read implements [state.Store].
func (s *Store) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != (state.Token{}) {
		if _, err := s.current(t); err != nil {
			return nil, false, err
		}
	}
	sh, now := s.shard(r.Shard), time.Now()
	es := slices.Clone(sh.lists[r.Place])
	if r.Of() {
		if e, ok := sh.newest[r.Place][address{r.Kind, r.Key}]; ok {
			es = append(es, e)
		}
	} else {
		for _, e := range sh.newest[r.Place] {
			es = append(es, e)
		}
		slices.SortFunc(es, func(a, b state.Entry) int { return int(a.Rev) - int(b.Rev) })
	}
	es = slices.DeleteFunc(es, func(e state.Entry) bool { return !r.Has(e.Kind, e.Key, e.Rev) || e.Ended(now) })
	more := len(es) > r.Limit()
	es = es[:min(len(es), r.Limit())]
	for i := range es {
		es[i] = es[i].Clone()
	}
	return es, more, nil
}

// Append implements [state.Store].
func (s *Store) Append(ctx context.Context, m state.Mail) (state.Rev, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := m.Check(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, id, now := s.shard(m.Shard), mailID{m.Kind, m.Key, m.ID}, time.Now()
	if old, ok := sh.ids[id]; ok && m.ID != "" && now.Sub(old.at) < sameMail {
		return old.rev, nil
	}
	rev := s.put(state.Entry{Place: state.Inbox, Shard: m.Shard, Kind: m.Kind, Key: m.Key, Mail: &m})
	if m.ID != "" {
		for old, a := range sh.ids {
			if now.Sub(a.at) >= sameMail {
				delete(sh.ids, old)
			}
		}
		sh.ids[id] = appended{rev, now}
	}
	return rev, nil
}

// Watch implements [state.Store].
func (s *Store) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	r.After = 0
	w := &watcher{r, f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers = slices.DeleteFunc(s.watchers, func(other *watcher) bool { return other == w })
	}, nil
}
