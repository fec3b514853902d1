package keeper

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// world is many nodes with cores over one store, on one seed: the store delays, loses, repeats
// and refuses, nodes crash, and shards move while their old owners go on.
type world struct {
	seed   uint64
	rng    *rand.Rand
	now    time.Duration
	queue  events
	n      int // events, to order those of one moment
	store  *memstate.Store
	list   bool // a fixed list: no epochs, the last to open a shard owns it
	calm   bool // no faults any more
	down   time.Duration
	broken string // the rule that a mutant does not keep

	members *members // nil: shards move as the world likes

	nodes  []*node
	shards []simOwner
	tokens map[uint32]state.Token // the newest, for a store without a fence
	past   map[string][]version   // of each key's record
	ops    []*simOp
	faults []string
}

type simOwner struct {
	node  int
	epoch uint64
}

type version struct {
	at      time.Duration
	number  uint64
	applied []string
}

type event struct {
	at time.Duration
	n  int
	do func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(a, b int) bool {
	return q[a].at < q[b].at || q[a].at == q[b].at && q[a].n < q[b].n
}
func (q events) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

const (
	simNodes  = 3
	simShards = 2
	simKeys   = 3 // of each shard
	simTime   = 60 * time.Second
	simCalm   = 120 * time.Second // and what they take to come to rest
)

// newWorld makes a world. A joined one has a membership with leases, whose cores decide where the
// shards are.
func newWorld(seed uint64, broken string, joined bool) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{seed: seed, rng: rng, store: memstate.New(), list: rng.IntN(3) == 0, broken: broken,
		tokens: map[uint32]state.Token{}, past: map[string][]version{}, shards: make([]simOwner, simShards)}
	for id := range simNodes {
		w.nodes = append(w.nodes, &node{w: w, id: id, slots: map[uint32]*slot{}})
	}
	for shard := range uint32(simShards) {
		if _, err := w.store.Watch(state.Range{Place: state.Records, Shard: shard}, w.stored); err != nil {
			panic(err)
		}
		if !joined {
			w.move(shard)
		}
	}
	if joined {
		w.list = false
		w.members = newMembers(w)
	}
	return w
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) after(d time.Duration, do func()) {
	w.n++
	heap.Push(&w.queue, event{w.now + d, w.n, do})
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf("%v: ", w.now)+fmt.Sprintf(format, args...))
}

// run lets the world live, come to rest, and be looked at.
func (w *world) run() []string {
	w.after(0, w.client)
	w.after(time.Second, w.disturb)
	w.after(simTime, func() { w.calm = true })
	for len(w.queue) > 0 && w.queue[0].at < simTime+simCalm && len(w.faults) == 0 {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	if len(w.faults) == 0 {
		w.check()
	}
	return w.faults
}

// disturb moves shards, stops nodes, passivates keys, and takes the store away.
func (w *world) disturb() {
	if w.calm {
		if w.members != nil {
			return
		}
		for shard := range uint32(simShards) {
			w.move(shard) // to the last owner, whose memory is asked again
		}
		return
	}
	switch n, what := w.nodes[w.rng.IntN(simNodes)], w.rng.IntN(8); {
	case what < 3 && w.members != nil:
		w.members.disturb()
	case what < 2:
		w.move(uint32(w.rng.IntN(simShards)))
	case what == 2:
		n.crash()
	case what == 3:
		w.down = w.now + time.Duration(w.rng.Int64N(int64(4*time.Second)))
	default:
		for _, shard := range sorted(n.slots) {
			s := n.slots[shard]
			for _, key := range sorted(s.gates) {
				if g := s.gates[key]; g.group == nil && len(g.waiting) == 0 && g.loaded {
					delete(s.gates, key)
				}
			}
		}
	}
	w.after(time.Duration(w.rng.Int64N(int64(2*time.Second))), w.disturb)
}

func sorted[K uint32 | string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// move gives a shard to a node. The old owner hears of it later, or never.
func (w *world) move(shard uint32) {
	o := &w.shards[shard]
	old := w.nodes[o.node]
	o.node, o.epoch = w.rng.IntN(simNodes), o.epoch+1
	if s := old.slots[shard]; s != nil && (w.calm || w.chance(0.7)) {
		w.after(time.Duration(w.rng.Int64N(int64(3*time.Second))), s.drop)
	}
	w.nodes[o.node].open(shard)
}

func (w *world) owner(shard uint32) state.Owner {
	if w.list {
		return state.Owner{}
	}
	return state.Owner{Cluster: "c", Epoch: w.shards[shard].epoch}
}

var errTimeout = errors.New("no answer")

// ask is a question to the store. What it does there and what its asker hears of that are two
// things: either may be late, lost, or come twice.
func (w *world) ask(apply func() (state.Rev, error), heard func(state.Rev, error)) {
	delay := func() time.Duration {
		if !w.calm && w.chance(0.03) {
			return time.Duration(w.rng.Int64N(int64(8 * time.Second))) // held up, and let go
		}
		return time.Duration(w.rng.Int64N(int64(20 * time.Millisecond)))
	}
	lost := func() bool { return !w.calm && (w.chance(0.02) || w.now < w.down) }
	answered := false
	w.after(2*time.Second, func() {
		if !answered {
			heard(0, errTimeout)
		}
	})
	w.after(delay(), func() {
		if lost() {
			return
		}
		rev, err := apply()
		for range 1 + w.rng.IntN(8)/7 { // some answers come twice
			if !lost() {
				w.after(delay(), func() { answered = true; heard(rev, err) })
			}
		}
	})
}

func (w *world) key(shard uint32, n int) string { return fmt.Sprintf("%d.%d", shard, n) }

// stored is told of each record as it is stored, in order.
func (w *world) stored(e state.Entry) {
	list := strings.Fields(string(e.Record.State))
	before := version{}
	if p := w.past[e.Key]; len(p) > 0 {
		before = p[len(p)-1]
	}
	if e.Record.Number != before.number+1 {
		w.fault("key %s: change %d after %d", e.Key, e.Record.Number, before.number)
	}
	if len(list) < len(before.applied) || !slices.Equal(list[:len(before.applied)], before.applied) {
		w.fault("key %s: %v after %v", e.Key, list, before.applied)
	}
	w.past[e.Key] = append(w.past[e.Key], version{w.now, e.Record.Number, list})
}

// check looks at the end.
func (w *world) check() {
	times, mails := map[string]int{}, map[string]int{}
	for shard := range uint32(simShards) {
		for n := range simKeys {
			r := state.Range{Place: state.Records, Shard: shard, Kind: "k", Key: w.key(shard, n)}
			es, _, err := w.store.Read(context.Background(), state.Token{}, r)
			if err != nil {
				w.fault("%v", err)
			}
			for _, e := range es {
				for _, op := range strings.Fields(string(e.Record.State)) {
					times[op]++
				}
			}
		}
		for _, p := range []state.Place{state.Mails, state.Inbox} {
			es, _, err := w.store.Read(context.Background(), state.Token{}, state.Range{Place: p, Shard: shard, Most: 1e6})
			if err != nil {
				w.fault("%v", err)
			}
			for _, e := range es {
				mails[string(e.Mail.Payload)]++
			}
		}
	}
	for _, op := range w.ops {
		n := times[op.id]
		switch {
		case op.read && !op.open:
		case n > 1:
			w.fault("%s took effect %d times", op.id, n)
		case op.ok && n == 0:
			w.fault("%s was acknowledged, and is lost", op.id)
		case op.open:
			w.fault("%s is not answered", op.id)
		case !op.ok && !op.maybe && n > 0:
			w.fault("%s was refused, and took effect", op.id)
		case n != mails[op.id]:
			w.fault("%s took effect %d times, and has sent %d mails", op.id, n, mails[op.id])
		}
	}
	for _, n := range w.nodes {
		for _, shard := range sorted(n.slots) {
			s := n.slots[shard]
			if s.core.ops.n > 0 || s.core.status != open && s.core.status != lost {
				w.fault("node %d, shard %d does not come to rest: status %d, %d changes, why %v", n.id, shard, s.core.status, s.core.ops.n, s.core.why)
			}
		}
	}
}
