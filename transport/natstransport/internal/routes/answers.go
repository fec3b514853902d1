// What is taken from answers and announcements of owners

package routes

import (
	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// Nobody takes the server's word that no node hears the question.
func (a *asker[B]) Nobody() {
	a.nobody()
	a.settle(nil, Pause)
}

// nobody notes that no node has said that nodes come and go.
func (a *asker[B]) nobody() {
	if !a.state.CompareAndSwap(unasked, fixed) {
		a.state.CompareAndSwap(silent, fixed)
	}
}

// Answer takes the answer to a question. It returns an error if the answer is none. Only
// the reader calls it.
func (a *asker[B]) Answer(data []byte) error {
	told, err := wire.DecodeOwners(data)
	if err == nil && (told.NumShards == 0 && told.Node == "" || told.NumShards > wire.MaxShards) {
		err = outcome.Errorf(outcome.ErrBadEnvelope, "owners: %d shards: 1 to %d allowed", told.NumShards, wire.MaxShards)
	}
	if err == nil && told.Node != "" {
		err = a.rs.hasRoom(&told)
	}
	if err != nil {
		return err
	}
	over := false
	if told.Node != "" {
		over = a.fixedAnswer(&told)
	}
	if told.NumShards > 0 {
		over = a.livingAnswer(&told) || over
	}
	a.rs.mu.Lock()
	if q := a.question; q != nil {
		close(q.news)
		q.news = make(chan struct{})
	}
	a.rs.mu.Unlock()
	if over {
		a.settle(nil, Pause)
	}
	return nil
}

// fixedAnswer takes what a node with a fixed list serves. It returns true if all
// such nodes have answered.
func (a *asker[B]) fixedAnswer(told *wire.Owners) bool {
	rs := a.rs
	a.nobody()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.learnFixed(told)
	q := a.question
	if q == nil {
		return false
	}
	if !q.heard {
		q.heard, q.ends = true, min(q.ends, expiry.Now()+int64(survey))
	}
	for _, box := range rs.boxes {
		if n := box.Known(); n.fixed && n.round != q.round && !n.Gone.Load() {
			return false
		}
	}
	return a.surveyed
}

// livingAnswer takes an answer about all owners. It returns true if that is all.
func (a *asker[B]) livingAnswer(told *wire.Owners) bool {
	rs := a.rs
	a.state.Store(living)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	a.count, a.counted = told.NumShards, expiry.Now()
	for i, owner := range told.Owners {
		if shard := uint64(told.First) + uint64(i); shard < uint64(told.NumShards) && owner.Epoch > 0 { // 0: the node does not know the owner any more
			rs.learnOne(uint32(shard), owner, true)
		}
	}
	if next := uint64(told.First) + uint64(len(told.Owners)); len(told.Owners) > 0 && next < uint64(told.NumShards) {
		if q := a.question; q != nil && told.First == q.next { // no repeated answer, and none of a node that always tells of the same shards
			q.next = uint32(next)
			q.send()
		}
		return false
	}
	a.answered = expiry.Now()
	return true
}

// Announced takes the announcement of a new owner, or of a node with a fixed list. Only the
// reader calls it.
func (a *asker[B]) Announced(data []byte) error {
	told, err := wire.DecodeOwners(data)
	if err != nil {
		return err
	}
	rs := a.rs
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i, owner := range told.Owners {
		if shard := uint64(told.First) + uint64(i); shard < uint64(a.count) && owner.Epoch > 0 {
			rs.learnOne(uint32(shard), owner, false)
		}
	}
	if told.Node != "" && len(rs.boxes) < maxAnnounced {
		n := rs.box(told.Node).Known()
		n.fixed, n.since = true, a.rounds // the next question waits for its answer
	}
	return nil
}

// maxAnnounced is how many nodes a connection knows at most by announcements of nodes with fixed lists.
const maxAnnounced = 1024
