package ownership

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// ledger is what a run has seen of the actors: each key has one in each epoch,
// and a turn that overlaps with another of its key has outlived its epoch.
type ledger struct {
	by       map[keyEpoch]*served  // who has activated a key
	turns    map[string][]*turn    // by key: those that run
	accepted map[int]time.Duration // notifications, by op: when
}

type keyEpoch struct {
	key   string
	epoch uint64
}

type turn struct {
	n     *node
	gen   int
	s     *served
	lease time.Duration // of its node when it began
}

// noteTurn checks a turn that begins against those that run.
func (w *world) noteTurn(n *node, s *served, r *request) (end func()) {
	l := &w.ledger
	at := keyEpoch{r.key, s.epoch}
	if by := l.by[at]; by != nil && by != s {
		w.violation("key %s has a second actor in epoch %d, on %v", r.key, s.epoch, n.ref)
	}
	l.by[at] = s
	l.turns[r.key] = slices.DeleteFunc(l.turns[r.key], func(o *turn) bool { return o.gen != o.n.gen }) // its process has ended
	for _, o := range l.turns[r.key] {
		w.overlaps++
		if o.s.epoch >= s.epoch {
			w.violation("key %s: a turn of epoch %d begins while one of epoch %d runs", r.key, s.epoch, o.s.epoch)
		}
		if o.n.clock() < o.lease {
			w.violation("key %s: a turn of epoch %d begins on %v while %v runs one within its lease", r.key, s.epoch, n.ref, o.n.ref)
		}
	}
	t := &turn{n, n.gen, s, n.lease}
	l.turns[r.key] = append(l.turns[r.key], t)
	return func() {
		l.turns[r.key] = slices.DeleteFunc(l.turns[r.key], func(o *turn) bool { return o == t })
	}
}

// checkLedger looks for notifications that were accepted and have not run.
func (w *world) checkLedger() {
	lost := 0
	for op, at := range w.ledger.accepted {
		if w.runs[op] == 0 && at < w.f.end-5*time.Second { // or it may still be queued
			lost++
		}
	}
	if lost > 0 && w.f.plannedFor {
		w.violation("%d notifications were accepted and have not run, in planned moves", lost)
	}
	if most := w.f.converge; most > 0 && w.lastBad > w.faultEnd+most {
		w.violation("a shard was not where it should be %v after the last fault, want at most %v", w.lastBad-w.faultEnd, most)
	}
}

// watch notes until when a shard is not where it should be.
func (w *world) watch() {
	for shard := range w.f.shards {
		if w.misplaced(shard) != "" {
			w.lastBad = w.now
		}
	}
	w.after(TickEvery, w.watch)
}

// targets returns who should own each shard, as the store has it.
func (w *world) targets() []record.Ref {
	all := make([]record.Ref, w.f.shards)
	for i := range all {
		all[i] = w.truth.targets.of(uint32(i))
	}
	return all
}

// noteWrite counts how shards move, and how many should: by the members that take
// shards, as the store has them.
func (w *world) noteWrite(e membership.Entry) {
	if _, ok := record.ParseShardKey(e.Key); ok {
		var rec record.Shard
		if _ = json.Unmarshal(e.Value, &rec); !rec.From.IsZero() && !rec.Owner.IsZero() {
			w.moves++
		}
		return
	}
	ref, ok := record.ParseMemberKey(e.Key)
	if !ok {
		return
	}
	var m record.Member
	if e.Value != nil {
		_ = json.Unmarshal(e.Value, &m)
	}
	if w.truth == nil {
		w.truth, _ = NewCore(Self{Ref: record.Ref{Name: "nobody", Incarnation: "0"}, Layout: w.layout()})
	}
	before := w.targets()
	c := w.truth
	if c.now = w.now; e.Value != nil {
		c.members.put(ref, m, e.Rev)
	} else {
		c.members.forget(ref)
	}
	if !c.members.changed {
		return
	}
	c.targets.follow(false)
	c.members.changed = false
	after := w.targets()
	for i := range before {
		if before[i] != after[i] && !before[i].IsZero() && !after[i].IsZero() {
			w.ideal++
		}
	}
}

func (w *world) String() string {
	return fmt.Sprintf("acknowledged %d, may have run %d, never ran %d; deaths %d, of the innocent %d; turns that outlived their epoch %d; moves %d, ideal %d; calm %v after the last fault",
		w.acked, w.maybe, w.never, w.deaths, w.innocent, w.overlaps, w.moves, w.ideal, w.lastBad)
}
