package ownership

import (
	"fmt"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// Timeouts of a node's operations and drains.
const (
	simOpTimeout    = 500 * time.Millisecond
	simDrainTimeout = 10 * time.Second
)

// node is a process: it comes, is paused, dies and comes again.
type node struct {
	w    *world
	name string
	slot int     // which of the world's nodes it is
	host string  // where the process runs
	rate float64 // of its clock

	weight float64
	term   time.Duration // its lease's length

	up       bool
	gen      int // of the process: what an earlier one has begun has no effect
	paused   bool
	backlog  []func()
	cut      time.Duration // until when it does not reach the store
	touched  time.Duration // when it was last paused or cut
	core     *Core
	ref      record.Ref
	lease    time.Duration
	served   map[uint32]*served
	stopping map[uint32]int // closes of a shard that are under way
	leaving  bool

	agreeing      bool // it has not joined: see agree
	waited, asked bool
	past          Past
	known         []uint64 // epochs, by shard
}

// served is a shard on a node.
type served struct {
	id      uint32
	epoch   uint64
	open    bool
	drains  bool
	hooks   *hooks // of its drain
	running int
	lines   map[string][]*request // by key: the first runs
}

func (n *node) clock() time.Duration { return time.Duration(float64(n.w.now) * n.rate) }

// later runs f on the node after a time of its clock, when it is not paused.
func (n *node) later(d time.Duration, f func()) {
	gen := n.gen
	n.w.after(time.Duration(float64(d)/n.rate), func() { n.on(gen, f) })
}

func (n *node) on(gen int, f func()) {
	switch {
	case gen != n.gen || !n.up:
	case n.paused:
		n.backlog = append(n.backlog, func() { n.on(gen, f) })
	default:
		f()
	}
}

func (n *node) start() {
	n.gen++
	n.up, n.leaving, n.host = true, false, n.w.host()
	n.waited, n.asked, n.past, n.known = false, false, Past{}, make([]uint64, n.w.f.shards)
	n.join()
	var tick func()
	tick = func() {
		n.step(Tick{})
		n.later(TickEvery, tick)
	}
	tick()
}

// join begins a new incarnation.
func (n *node) join() {
	n.begin(0)
	if n.w.f.losses {
		n.agree(n.begin)
	}
}

func (n *node) begin(base uint64) {
	n.w.incs++
	n.ref = record.Ref{Name: n.name, Incarnation: fmt.Sprintf("%04d", n.w.incs)}
	timing := membership.Timing{Lease: n.term, Settle: time.Second, MaxSettle: 4 * time.Second, Residency: 2 * time.Second, Forget: 12 * time.Second}
	if n.w.timing != nil {
		timing = *n.w.timing
	}
	past := n.past
	if past.Lost {
		past.Epoch = max(past.Epoch, n.w.born())
	}
	core, err := NewCore(Self{Ref: n.ref, Layout: n.w.layout(), Timing: timing, Weight: n.weight, Base: base, Past: past, Process: n.process()})
	if err != nil {
		panic(err)
	}
	kept := n.served
	n.core, n.lease, n.served, n.stopping = core, never, map[uint32]*served{}, map[uint32]int{}
	if n.w.f.broken.keepsLost && kept != nil {
		n.served = kept
	}
}

func (n *node) leave() {
	if n.agreeing {
		n.kill()
		return
	}
	n.leaving = true
	n.step(Leave{})
}

// drain is an operator's: the node learns from the store that it is to leave.
func (n *node) drain() {
	e := n.w.store.records[record.MemberKey(n.ref)]
	m, err := record.Decode[record.Member](e.Value)
	if err != nil || m.State != record.Joining && m.State != record.Active || !n.w.store.working() {
		return
	}
	n.leaving = true
	m.State = record.Leaving
	n.w.store.write(Write{Key: e.Key, Rev: e.Rev, Value: record.Encode(m)})
}

func (n *node) step(e Event) {
	core := n.core
	if n.agreeing {
		return
	}
	if s, ok := e.(Seen); ok {
		n.distort(s.Entries)
	}
	n.pretend()
	n.hasten()
	if n.w.f.broken.noBlind {
		for _, m := range core.members.all {
			m.stale = n.clock() - m.seen
		}
	}
	effects := append([]Effect(nil), core.Step(n.clock(), e)...)
	for _, eff := range effects { // the core's slice is valid until the next step
		if core != n.core {
			return
		}
		n.do(core, eff)
	}
}

func (n *node) do(core *Core, e Effect) {
	w := n.w
	switch e := e.(type) {
	case Write:
		if e.Op == 0 {
			w.buried(n)
		}
		n.call(core, e.Op, func() Result {
			if strings.Contains(string(e.Value), `"state":"dead"`) {
				w.noteDeath(e)
			}
			return w.store.write(e)
		})
	case Read:
		n.call(core, e.Op, func() Result { return w.store.read(e) })
	case Snapshot:
		n.call(core, e.Op, func() Result { return w.store.snapshot(e) })
	case Lease:
		n.lease = e.Until
		if w.f.broken.ackLease {
			n.lease = n.clock() + e.Until - e.Sent
		}
		if w.f.broken.noMargin {
			t := core.self.Timing
			n.lease += t.Margin + t.Delta
		}
	case Open:
		n.open(core, e)
	case Close:
		if !n.w.f.broken.keepsLost || e.Drain {
			n.close(core, e)
		}
	case Route:
		n.known[e.Shard] = max(n.known[e.Shard], e.Record.Epoch)
	case Examine:
		n.examine(core, e)
	case Declared:
		w.successions += btoi(e.Ended)
	case Gone:
		n.lease, n.past, n.waited = never, core.Past(), e.Unleased
		if e.State == record.Left {
			n.kill()
		} else {
			n.join()
		}
	}
}

// call does an operation on the store; the answer may be lost, and what was sent
// may arrive when nobody waits for it any more.
func (n *node) call(core *Core, op uint64, f func() Result) {
	w, ended := n.w, false
	end := func(r Result) {
		if ended || core != n.core {
			return
		}
		ended = true
		n.step(r)
	}
	n.later(simOpTimeout, func() { end(Result{Op: op, Status: Unknown}) })
	arrive := func(answer bool) {
		if !w.store.working() {
			return
		}
		r := f()
		if answer && !w.lost() && w.now >= n.cut {
			gen := n.gen
			w.after(w.delay(), func() { n.on(gen, func() { end(r) }) })
		}
	}
	if w.lost() || w.now < n.cut {
		return
	}
	w.after(w.delay(), func() { arrive(true) })
	if w.noisy() && w.chance(0.01) { // sent again underneath
		w.after(w.delay(), func() { arrive(false) })
	}
}

// hint tells the node what was written, maybe.
func (n *node) hint(e membership.Entry) {
	w := n.w
	if !n.up || w.now < n.cut || w.noisy() && w.chance(0.1) {
		return
	}
	gen := n.gen
	tell := func() { n.on(gen, func() { n.step(Seen{[]membership.Entry{e}}) }) }
	w.after(w.delay(), tell)
	if w.noisy() && w.chance(0.05) {
		w.after(w.delay(), tell)
	}
}

func (n *node) open(core *Core, e Open) {
	n.later(n.w.upTo(3*time.Millisecond), func() {
		if core != n.core {
			return
		}
		if n.stopping[e.Shard] > 0 { // the one before has not ended
			n.open(core, e)
			return
		}
		s := &n.core.shards.all[e.Shard]
		if s.phase != opening || s.epoch != e.Epoch {
			return // closed meanwhile
		}
		w := n.w
		key := [2]uint64{uint64(e.Shard), e.Epoch}
		if other, ok := w.opened[key]; ok {
			w.violation("shard %d epoch %d is opened by %v, was by %v", e.Shard, e.Epoch, n.ref, other)
		}
		w.opened[key] = n.ref
		n.served[e.Shard] = &served{id: e.Shard, epoch: e.Epoch, open: true, lines: map[string][]*request{}}
		n.step(Opened{e.Shard, e.Epoch})
	})
}

func (n *node) close(core *Core, e Close) {
	w := n.w
	s := n.served[e.Shard]
	if s == nil && e.Final {
		s = n.openFirst(e)
	}
	if s == nil || s.epoch != e.Epoch {
		if e.Drain {
			n.later(0, func() { n.closedBy(core, e) })
		}
		return
	}
	if n.w.f.broken.noDrain {
		n.later(0, func() { n.closedBy(core, e) })
		return
	}
	s.open, s.drains = false, true
	n.stopping[e.Shard]++
	if e.Drain {
		n.runHooks(s, e.Final)
	}
	for key, line := range s.lines { // what has not started is refused, if somebody waits for it
		if len(line) == 0 {
			continue
		}
		kept := line[:1:1]
		for _, r := range line[1:] {
			if r.notify && e.Drain && !w.f.broken.dropsQueue {
				kept = append(kept, r)
			} else if !r.notify {
				r.answer(n, neverRan)
			}
		}
		s.lines[key] = kept
	}
	deadline := n.clock() + simDrainTimeout
	var wait func()
	wait = func() {
		if (s.running > 0 || s.waiting() || s.asks()) && n.clock() < deadline && e.Drain {
			n.later(5*time.Millisecond, wait)
			return
		}
		if n.served[e.Shard] == s {
			delete(n.served, e.Shard)
		}
		n.stopping[e.Shard]--
		if e.Drain {
			n.closedBy(core, e)
		}
	}
	n.later(time.Millisecond, wait)
}

func (n *node) closedBy(core *Core, e Close) {
	if core == n.core {
		n.step(Closed{Shard: e.Shard, Epoch: e.Epoch})
	}
}
