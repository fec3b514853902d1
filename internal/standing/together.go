// Together: which shards of a node end together, and how far each is

package standing

import "sync"

// Together is the shards of a node that end together, because no other node is there to take
// them. Their turns and stop hooks may ask each other until the last shard has
// ended. A shard goes through three steps: it is expected, its calls come to rest, and its
// keys begin to end. Together is safe for concurrent use, and nil has no shards.
type Together struct {
	mu     sync.Mutex
	steps  map[uint32]togetherStep
	busy   int           // shards that are expected and not at rest
	atRest chan struct{} // closed when there are none
}

type togetherStep int

const (
	expected togetherStep = iota + 1
	rested
	joined
)

// Expect adds shards, and returns how many of them were not known, or had ended.
func (t *Together) Expect(shards []uint32) (more int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.steps == nil {
		t.steps = map[uint32]togetherStep{}
	}
	for _, shard := range shards {
		if step := t.steps[shard]; step == expected || step == rested {
			continue
		}
		if t.busy == 0 { // those before have all come to rest
			t.atRest = make(chan struct{})
		}
		t.steps[shard] = expected
		t.busy++
		more++
	}
	return more
}

// Has reports whether the shard was ever expected.
func (t *Together) Has(shard uint32) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.steps[shard] != 0
}

// Rest notes that the shard's calls have come to rest. The first time it returns a channel
// that is closed when those of all shards have; nil later, and for a shard that is not
// expected.
func (t *Together) Rest(shard uint32) <-chan struct{} {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rest(shard)
}

func (t *Together) rest(shard uint32) <-chan struct{} {
	if t.steps[shard] != expected {
		return nil
	}
	t.steps[shard] = rested
	if t.busy--; t.busy == 0 {
		close(t.atRest)
	}
	return t.atRest
}

// Join notes that the shard's keys begin to end, or that it was never served. It returns
// whether the shard was expected and had not joined.
func (t *Together) Join(shard uint32) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest(shard)
	if t.steps[shard] != rested {
		return false
	}
	t.steps[shard] = joined
	return true
}
