// Group: commits that a synchronous store makes together

package state

import "sync"

// Result is how one change of a group ended.
type Result struct {
	Rev Rev
	Err error
}

// Group makes [Store.Commit] from a func that stores several changes at once and waits.
// Changes that arrive while the func runs go together into its next call. One goroutine
// runs the func while there is something to store. Make one with [NewGroup].
type Group struct {
	store     func([]Change) []Result
	most      int
	mostBytes int

	mu      sync.Mutex
	waiting []waiting
	running bool
	closed  bool
	idle    sync.Cond
}

type waiting struct {
	c    Change
	done func(Rev, error)
}

// NewGroup makes a group. store gets one change or more, up to most and about mostBytes. All of
// them are checked, and no two are of one key. store returns a result for each.
func NewGroup(most, mostBytes int, store func([]Change) []Result) *Group {
	g := &Group{store: store, most: most, mostBytes: mostBytes}
	g.idle.L = &g.mu
	return g
}

// Commit is like [Store.Commit].
func (g *Group) Commit(c Change, done func(Rev, error)) {
	if err := c.Check(); err != nil {
		done(0, err)
		return
	}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		done(0, ErrClosed)
		return
	}
	g.waiting = append(g.waiting, waiting{c, done})
	start := !g.running
	g.running = true
	g.mu.Unlock()
	if start {
		go g.run() // ends when nothing waits; Close waits for it
	}
}

func (g *Group) run() {
	for {
		g.mu.Lock()
		if len(g.waiting) == 0 {
			g.running = false
			g.idle.Broadcast()
			g.mu.Unlock()
			return
		}
		group := g.next()
		g.mu.Unlock()
		cs := make([]Change, len(group))
		for i, w := range group {
			cs[i] = w.c
		}
		for i, r := range g.store(cs) {
			group[i].done(r.Rev, r.Err)
		}
	}
}

// next takes the changes that go together, in their order. But the second change of a key waits for
// the next group, and so do the changes behind it.
func (g *Group) next() []waiting {
	type address struct {
		shard     uint32
		kind, key string
	}
	seen := make(map[address]bool, min(len(g.waiting), g.most))
	n, size := 0, 0
	for _, w := range g.waiting {
		at := address{w.c.Token.Shard, w.c.Kind, w.c.Key}
		size += w.c.Bytes()
		if n > 0 && (n == g.most || size > g.mostBytes || seen[at]) {
			break
		}
		seen[at] = true
		n++
	}
	group := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
		g.waiting = nil // not the array of a flood
	}
	return group
}

// Close refuses further changes, and waits for those that were accepted. It must not be
// called from a done func.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for g.running {
		g.idle.Wait()
	}
}
