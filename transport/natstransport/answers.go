// The client's side of questions about owners: what it takes from answers and announcements

package natstransport

import (
	"slices"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
)

// answer takes the answer to a question, or the server's word that no node listens. Only
// the reader calls it.
func (a *asker) answer(m *nats.Msg) {
	t, o := a.t, &a.t.owners
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		if !a.state.CompareAndSwap(unasked, fixed) {
			a.state.CompareAndSwap(silent, fixed)
		}
		a.settle(nil, askPause)
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
		over = a.fixedAnswer(&told)
	}
	if told.NumShards > 0 {
		over = a.livingAnswer(&told) || over
	}
	o.mu.Lock()
	if q := a.question; q != nil {
		close(q.news)
		q.news = make(chan struct{})
	}
	o.mu.Unlock()
	if over {
		a.settle(nil, askPause)
	}
}

// fixedAnswer takes what a node with a fixed list serves. It returns true if all
// such nodes have answered.
func (a *asker) fixedAnswer(told *wire.Owners) bool {
	t := a.t
	o := &t.owners
	if !a.state.CompareAndSwap(unasked, fixed) {
		a.state.CompareAndSwap(silent, fixed)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.learnFixed(told)
	q := a.question
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
	return a.surveyed
}

// livingAnswer takes an answer about all owners. It returns true if that is all.
func (a *asker) livingAnswer(told *wire.Owners) bool {
	t := a.t
	o := &t.owners
	a.state.Store(living)
	o.mu.Lock()
	defer o.mu.Unlock()
	a.count, a.counted = told.NumShards, expiry.Now()
	for i, owner := range told.Owners {
		if shard := uint64(told.First) + uint64(i); shard < uint64(told.NumShards) && owner.Epoch > 0 { // 0: the node does not know the owner any more
			o.learnOne(uint32(shard), owner, true)
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

// hear subscribes to announcements, before the first question goes out. So the client hears of a node that
// begins after the question. The flusher calls it.
func (a *asker) hear() {
	if a.t.link.Hear(&a.t.ears.own) != nil {
		a.t.owners.mu.Lock()
		defer a.t.owners.mu.Unlock()
		a.hearing = false // the next question tries again
	}
}

// announced takes the announcement of a new owner, or of a node with a fixed list. Only the
// reader calls it.
func (a *asker) announced(m *nats.Msg) {
	t := a.t
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
		if shard := uint64(told.First) + uint64(i); shard < uint64(a.count) && owner.Epoch > 0 {
			o.learnOne(uint32(shard), owner, false)
		}
	}
	if told.Node != "" && len(o.boxes) < maxAnnounced {
		box := o.box(told.Node)
		box.fixed, box.since = true, a.rounds // the next question waits for its answer
	}
}

// maxAnnounced is how many nodes a connection knows at most by announcements of nodes with fixed lists.
const maxAnnounced = 1024

func contains(sorted []uint32, shard uint32) bool {
	_, found := slices.BinarySearch(sorted, shard)
	return found
}
