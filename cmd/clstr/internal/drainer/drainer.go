// Writes the wish into a node's record, and watches it leave

// Package drainer asks a node to leave, by its record, and watches the records
// until it has.
package drainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// pollEvery bounds how late a missed write is noticed.
const pollEvery = 500 * time.Millisecond

// Report is the progress of a drain.
type Report struct {
	State     string // the node's: leaving, left or dead
	Remaining int    // shards that it still owns
	To        map[string]int
	Released  int // shards that no node took
	Claimed   int // shards that others took without a hand-over
	Pauses    []time.Duration
	Cost      outcome.DrainCounts // of the shards that it has handed over
	Since     bool                // it was leaving before: pauses and cost are since Ask
}

// ErrGone: the node has left, or was declared dead, and cannot be asked.
var ErrGone = errors.New("has gone")

// Moved counts the shards that other nodes own now.
func (r Report) Moved() (n int) {
	for _, count := range r.To {
		n += count
	}
	return n
}

// Drainer watches one node leave. Make one with [New].
type Drainer struct {
	store   membership.Store
	unwatch func()
	changed chan struct{}

	mu    sync.Mutex
	ref   record.Ref
	asked uint64            // the revision of the wish
	since bool              // it was asked before
	revs  map[string]uint64 // by key: the newest version that was seen
	state string
	by    record.Ref
	owned map[uint32]bool
	moved map[uint32]record.Shard // by shard: how it went away
}

// New begins to watch the store. Close ends that.
func New(store membership.Store) (*Drainer, error) {
	d := &Drainer{
		store: store, changed: make(chan struct{}, 1), revs: map[string]uint64{},
		owned: map[uint32]bool{}, moved: map[uint32]record.Shard{},
	}
	var err error
	d.unwatch, err = store.Watch(func(e membership.Entry) { d.see(e) })
	return d, err
}

// Close ends the watching.
func (d *Drainer) Close() { d.unwatch() }

// Ref returns the node that was asked.
func (d *Drainer) Ref() record.Ref { return d.ref }

// Ask writes the wish into the node's record. If the node leaves already, Ask only
// notes that. If it has gone, Ask returns an error.
func (d *Drainer) Ask(ctx context.Context, ref record.Ref) error {
	d.mu.Lock()
	d.ref = ref
	d.mu.Unlock()
	if err := d.poll(ctx); err != nil { // what it owns before it begins to leave
		return err
	}
	key := record.MemberKey(ref)
	for {
		e, err := d.store.Read(ctx, key)
		if err != nil {
			return err
		}
		m, err := record.Decode[record.Member](e.Value)
		switch {
		case e.Rev == 0:
			return fmt.Errorf("node %v %w", ref, ErrGone)
		case err != nil:
			return fmt.Errorf("the record of node %v is not readable: %w", ref, err)
		case m.State == record.Leaving:
			d.begin(e.Rev, true)
			return nil
		case m.State == record.Left:
			return fmt.Errorf("node %v has left already: it %w", ref, ErrGone)
		case m.State == record.Dead:
			return fmt.Errorf("node %v was declared dead by %v: it %w", ref, m.By, ErrGone)
		}
		m.State = record.Leaving
		if m.Born == 0 {
			m.Born = e.Rev
		}
		value, err := json.Marshal(m)
		if err != nil {
			return err
		}
		rev, err := d.store.Write(ctx, key, e.Rev, value)
		if err == nil {
			d.begin(rev, false)
			return nil
		}
		if !errors.Is(err, membership.ErrConflict) { // a renewal came first: try again
			return fmt.Errorf("asking node %v to leave: %w", ref, err)
		}
	}
}

func (d *Drainer) begin(rev uint64, since bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.since = rev, since
	if key := record.MemberKey(d.ref); rev > d.revs[key] { // else more is known already: it may have left
		d.revs[key], d.state = rev, record.Leaving
	}
}

// see takes a version of a record. Versions may come in any order.
func (d *Drainer) see(e membership.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ref.IsZero() || e.Rev <= d.revs[e.Key] {
		return
	}
	d.revs[e.Key] = e.Rev
	if ref, ok := record.ParseMemberKey(e.Key); ok && ref == d.ref {
		d.seeMember(e)
	} else if shard, ok := record.ParseShardKey(e.Key); ok {
		d.seeShard(shard, e)
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

func (d *Drainer) seeMember(e membership.Entry) {
	if e.Value == nil {
		d.state = record.Left // its record was removed
		return
	}
	if m, err := record.Decode[record.Member](e.Value); err == nil {
		d.state, d.by = m.State, m.By
	}
}

func (d *Drainer) seeShard(shard uint32, e membership.Entry) {
	rec, err := record.DecodeShard(e)
	switch {
	case err != nil:
	case rec.Owner == d.ref:
		d.owned[shard] = true
		delete(d.moved, shard)
	case d.owned[shard] || rec.From == d.ref && d.asked > 0 && e.Rev > d.asked:
		delete(d.owned, shard)
		d.moved[shard] = rec
	}
}

// Wait returns when the node has left or died, or when ctx ends. It calls show after
// each change.
func (d *Drainer) Wait(ctx context.Context, show func(moved, of int)) (Report, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		r, err := d.report()
		if err == nil && r.State == record.Left && r.Remaining == 0 {
			_ = d.poll(ctx) // it may show writes that the watch has missed
			r, err = d.report()
			show(r.progress())
			return r, err
		}
		show(r.progress())
		if err != nil {
			return r, err
		}
		select {
		case <-d.changed:
		case <-tick.C:
			_ = d.poll(ctx) // the next may work
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

func (r Report) progress() (done, of int) {
	done = r.Moved() + r.Released
	return done, done + r.Remaining
}

// poll reads all records, because a watch may miss writes.
func (d *Drainer) poll(ctx context.Context) error {
	for _, prefix := range []string{record.ShardPrefix, record.MemberPrefix} {
		entries, _, err := d.store.Snapshot(ctx, prefix)
		if err != nil {
			return err
		}
		for _, e := range entries {
			d.see(e)
		}
	}
	return nil
}

func (d *Drainer) report() (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := Report{State: d.state, Remaining: len(d.owned), To: map[string]int{}, Since: d.since}
	for _, rec := range d.moved {
		switch {
		case rec.Owner.IsZero():
			r.Released++
		case rec.Why == record.Claimed:
			r.Claimed++
			fallthrough
		default:
			r.To[rec.Owner.Name]++
		}
		if rec.From == d.ref && rec.Why != record.Claimed {
			r.Pauses = append(r.Pauses, time.Duration(rec.PausedUs)*time.Microsecond)
			r.Cost.Parked += rec.Cost.Parked
			r.Cost.Dropped += rec.Cost.Dropped
			r.Cost.Lost += rec.Cost.Lost
		}
	}
	switch d.state {
	case record.Dead:
		return r, fmt.Errorf("node %v died while it left: %v has declared it dead, and others claim its shards", d.ref, d.by)
	case record.Joining, record.Active:
		return r, fmt.Errorf("node %v does not leave: it runs a version of the library that knows no drain", d.ref)
	}
	return r, nil
}
