package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
)

// members is what gives the shards of a world to its nodes: a core of ownership on each, over
// records that they share. Its leases, claims and moves are those of real nodes.
type members struct {
	w       *world
	store   *memstore.Store
	cluster string // the identity; empty for records that end with the process
	all     []*member
	incs    int
}

// member is a node's part.
type member struct {
	of    *members
	n     *node
	core  *ownership.Core // nil while the process is away
	cut   time.Duration   // until when it does not reach the records
	lease time.Duration   // until when it serves
	epoch map[uint32]uint64
}

var simLayout = sharding.Layout{NumShards: simShards}

func newMembers(w *world) *members {
	ms := &members{w: w, store: memstore.New(), cluster: "c"}
	if w.rng.IntN(4) == 0 {
		ms.cluster = ""
	}
	cfg := record.NewConfig(simLayout)
	cfg.Cluster = ms.cluster
	if _, err := ms.store.Write(context.Background(), record.ConfigKey, 0, record.Encode(cfg)); err != nil {
		panic(err)
	}
	for _, n := range w.nodes {
		m := &member{of: ms, n: n}
		ms.all = append(ms.all, m)
		if _, err := ms.store.Watch(m.hint); err != nil {
			panic(err)
		}
		w.after(w.upTo(2*time.Second), m.join)
		w.after(0, m.tick)
	}
	return ms
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

func (m *member) tick() {
	m.step(ownership.Tick{})
	m.of.w.after(ownership.TickEvery, m.tick)
}

// join begins an incarnation.
func (m *member) join() {
	m.of.incs++
	core, err := ownership.NewCore(ownership.Self{
		Ref:    record.Ref{Name: fmt.Sprint("node-", m.n.id), Incarnation: fmt.Sprintf("%04d", m.of.incs)},
		Layout: simLayout, Cluster: m.of.cluster,
		Timing: membership.Timing{Lease: 6 * time.Second, Settle: time.Second, MaxSettle: 4 * time.Second, Residency: 2 * time.Second, Forget: 12 * time.Second},
	})
	if err != nil {
		panic(err)
	}
	m.core, m.lease, m.epoch = core, 0, map[uint32]uint64{}
}

// end is that of an incarnation, or with its node's memory: nothing of it is served any more.
func (m *member) end() {
	m.core, m.lease = nil, 0
	for _, shard := range sorted(m.epoch) {
		if s := m.n.slots[shard]; s != nil {
			s.drop()
		}
	}
	m.epoch = nil
	m.of.w.after(time.Second+m.of.w.upTo(time.Second), m.join)
}

// serves reports whether the node may start a turn of the shard now.
func (m *member) serves(shard uint32) bool {
	return m.core != nil && m.epoch[shard] > 0 && (m.of.w.now < m.lease || m.of.w.broken == "readPastLease")
}

func (m *member) step(e ownership.Event) {
	core := m.core
	if core == nil {
		return
	}
	for _, eff := range append([]ownership.Effect(nil), core.Step(m.of.w.now, e)...) {
		if core == m.core {
			m.do(core, eff)
		}
	}
}

func (m *member) do(core *ownership.Core, e ownership.Effect) {
	ctx, w, store := context.Background(), m.of.w, m.of.store
	switch e := e.(type) {
	case ownership.Write:
		m.ask(core, e.Op, func() (r ownership.Result, err error) {
			r.Rev, err = store.Write(ctx, e.Key, e.Rev, e.Value)
			return r, err
		})
	case ownership.Read:
		m.ask(core, e.Op, func() (ownership.Result, error) {
			entry, err := store.Read(ctx, e.Key)
			return ownership.Result{Entries: []membership.Entry{entry}}, err
		})
	case ownership.Snapshot:
		m.ask(core, e.Op, func() (r ownership.Result, err error) {
			r.Entries, r.AsOf, err = store.Snapshot(ctx, e.Prefix)
			return r, err
		})
	case ownership.Lease:
		m.lease = e.Until
	case ownership.Open:
		m.epoch[e.Shard] = e.Epoch
		w.shards[e.Shard] = simOwner{m.n.id, max(w.shards[e.Shard].epoch, e.Epoch)}
		m.open(core, e.Shard, e.Epoch)
		w.after(w.upTo(5*time.Millisecond), func() {
			if core == m.core {
				m.step(ownership.Opened{Shard: e.Shard, Epoch: e.Epoch})
			}
		})
	case ownership.Close:
		m.close(core, e)
	case ownership.Gone:
		m.end()
	}
}

// open opens the shard's state, again if something else has opened it while the records name this
// node.
func (m *member) open(core *ownership.Core, shard uint32, epoch uint64) {
	m.n.openAs(shard, state.Owner{Cluster: m.of.cluster, Epoch: epoch})
	s := m.n.slots[shard]
	s.gone = func() {
		m.of.w.after(time.Second, func() {
			if core == m.core && m.epoch[shard] == epoch && m.n.slots[shard] == s {
				m.open(core, shard, epoch)
			}
		})
	}
}

// close ends a shard: what waits and what is stored ends first, if that does not take too long.
func (m *member) close(core *ownership.Core, e ownership.Close) {
	w, s := m.of.w, m.n.slots[e.Shard]
	if m.epoch[e.Shard] != e.Epoch || s == nil {
		s = nil
	} else {
		delete(m.epoch, e.Shard)
	}
	until := w.now + 3*time.Second
	var wait func()
	wait = func() {
		if s != nil && e.Drain && w.now < until && s.busy() {
			w.after(10*time.Millisecond, wait)
			return
		}
		if s != nil {
			s.drop()
		}
		if e.Drain && core == m.core {
			m.step(ownership.Closed{Shard: e.Shard, Epoch: e.Epoch})
		}
	}
	w.after(0, wait)
}

// ask is an operation on the records. Its answer may be late or lost, and it may still arrive then.
func (m *member) ask(core *ownership.Core, op uint64, f func() (ownership.Result, error)) {
	w, ended := m.of.w, false
	end := func(r ownership.Result) {
		if !ended && core == m.core {
			ended = true
			r.Op = op
			m.step(r)
		}
	}
	lost := func() bool { return w.now < m.cut || !w.calm && w.chance(0.02) }
	w.after(500*time.Millisecond, func() { end(ownership.Result{Status: ownership.Unknown}) })
	if lost() {
		return
	}
	w.after(w.upTo(20*time.Millisecond), func() {
		r, err := f()
		switch {
		case errors.Is(err, membership.ErrConflict):
			r.Status = ownership.Conflict
		case err != nil:
			r.Status = ownership.Unknown
		}
		if !lost() {
			w.after(w.upTo(20*time.Millisecond), func() { end(r) })
		}
	})
}

// hint tells of what was written, maybe.
func (m *member) hint(e membership.Entry) {
	w := m.of.w
	if w.now < m.cut || !w.calm && w.chance(0.1) {
		return
	}
	w.after(w.upTo(20*time.Millisecond), func() { m.step(ownership.Seen{Entries: []membership.Entry{e}}) })
}

// disturb has a node crash, leave, or lose the way to the records for longer than its lease.
func (ms *members) disturb() {
	w := ms.w
	switch m := ms.all[w.rng.IntN(len(ms.all))]; w.rng.IntN(5) {
	case 0:
		m.n.crash()
		m.end()
	case 1:
		m.step(ownership.Leave{Wait: 5 * time.Second})
	case 2:
		if ms.cluster != "" { // else the records are in its own process
			m.cut = w.now + w.upTo(20*time.Second)
		}
	case 3:
		ms.tool(uint32(w.rng.IntN(simShards)))
	}
}

// tool changes a key from outside of all nodes: it opens the shard in its owner's epoch, which deposes
// that.
func (ms *members) tool(shard uint32) {
	w, ctx := ms.w, context.Background()
	token, err := w.store.Open(ctx, shard, state.Owner{Cluster: ms.cluster, Epoch: w.shards[shard].epoch}, state.Token{})
	if err != nil {
		return
	}
	w.tokens[shard] = token
	op := &simOp{w: w, id: fmt.Sprint("tool", len(w.ops)), key: w.key(shard, w.rng.IntN(simKeys)), shard: shard, ok: true, tool: true}
	w.ops = append(w.ops, op)
	rec := state.Record{}
	es, _, err := w.store.Read(ctx, token, state.Range{Place: state.Records, Shard: shard, Kind: "k", Key: op.key})
	if err == nil && len(es) == 1 {
		rec = *es[0].Record
	}
	rec.Number++
	rec.State = append(rec.State, " "+op.id...)
	rec.Commands = append(rec.Commands, state.Command{ID: []byte(op.id)})
	mail := state.Mail{Shard: (shard + 1) % simShards, Kind: "k", Key: "mail", Payload: []byte(op.id)}
	w.store.Commit(state.Change{Token: token, Kind: "k", Key: op.key, Record: &rec, Mail: []state.Mail{mail}}, func(_ state.Rev, err error) {
		if err != nil {
			w.fault("a tool's change: %v", err)
		}
	})
}
