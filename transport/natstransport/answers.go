// The client's side of questions about owners: what it takes from answers and announcements

package natstransport

import (
	"slices"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
)

// answer takes the answer to a question, or the server's word that no node listens. Only
// the reader calls it.
func (t *Transport) answer(m *nats.Msg) {
	o := &t.owners
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		if !o.state.CompareAndSwap(unasked, fixed) {
			o.state.CompareAndSwap(silent, fixed)
		}
		o.settle(nil, askPause)
		return
	}
	told, err := wire.DecodeOwners(m.Data)
	if err == nil && (told.NumShards == 0 && told.Node == "" || told.NumShards > wire.MaxShards) {
		err = outcome.Errorf(outcome.ErrBadEnvelope, "owners: %d shards: 1 to %d allowed", told.NumShards, wire.MaxShards)
	}
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("answer about owners is ignored", "error", err)
		return
	}
	over := false
	if told.Node != "" {
		over = t.fixedAnswer(&told)
	}
	if told.NumShards > 0 {
		over = t.livingAnswer(&told) || over
	}
	o.mu.Lock()
	if q := o.question; q != nil {
		close(q.news)
		q.news = make(chan struct{})
	}
	o.mu.Unlock()
	if over {
		o.settle(nil, askPause)
	}
}

// fixedAnswer takes what a node with a fixed list serves. It returns true if all
// such nodes have answered.
func (t *Transport) fixedAnswer(told *wire.Owners) bool {
	o := &t.owners
	if !o.state.CompareAndSwap(unasked, fixed) {
		o.state.CompareAndSwap(silent, fixed)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t.learnFixed(told)
	q := o.question
	if q == nil {
		return false
	}
	if !q.heard {
		q.heard, q.ends = true, min(q.ends, expiry.Now()+int64(survey))
	}
	for _, box := range o.boxes {
		if box.fixed && box.round != q.round && !box.gone.Load() {
			return false
		}
	}
	return o.surveyed
}

// livingAnswer takes an answer about all owners. It returns true if that is all.
func (t *Transport) livingAnswer(told *wire.Owners) bool {
	o := &t.owners
	o.state.Store(living)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count, o.counted = told.NumShards, expiry.Now()
	for i, owner := range told.Owners {
		if shard := uint64(told.First) + uint64(i); shard < uint64(told.NumShards) && owner.Epoch > 0 { // 0: the node does not know the owner any more
			t.learnOne(uint32(shard), owner, true)
		}
	}
	if next := uint64(told.First) + uint64(len(told.Owners)); len(told.Owners) > 0 && next < uint64(told.NumShards) {
		if q := o.question; q != nil && told.First == q.next { // no repeated answer, and none of a node that always tells of the same shards
			q.next = uint32(next)
			t.flusher.Go(question{t, q.next})
		}
		return false
	}
	o.answered = expiry.Now()
	return true
}

// listening is a task of the flusher: it subscribes to announcements, before the first question
// goes out. So the client hears of a node that begins after the question.
type listening struct{ t *Transport }

// Run implements pool.Task.
func (l listening) Run(pool.Slot) {
	if l.t.ears.hear(&l.t.ears.own) != nil {
		o := &l.t.owners
		o.mu.Lock()
		defer o.mu.Unlock()
		o.hearing = false // the next question tries again
	}
}

// announced takes the announcement of a new owner, or of a node with a fixed list. Only the
// reader calls it.
func (t *Transport) announced(m *nats.Msg) {
	told, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("announcement of an owner is ignored: it does not decode", "error", err)
		return
	}
	o := &t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, owner := range told.Owners {
		if shard := uint64(told.First) + uint64(i); shard < uint64(o.count) && owner.Epoch > 0 {
			t.learnOne(uint32(shard), owner, false)
		}
	}
	if told.Node != "" && len(o.boxes) < maxAnnounced {
		box := t.box(told.Node)
		box.fixed, box.since = true, o.rounds // the next question waits for its answer
	}
}

// maxAnnounced is how many nodes a connection knows at most by announcements of nodes with fixed lists.
const maxAnnounced = 1024

func contains(sorted []uint32, shard uint32) bool {
	_, found := slices.BinarySearch(sorted, shard)
	return found
}
