package ownership

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/sharding"
)

// The simulation runs the cores of a cluster, a store, a network and clients on
// one goroutine, from a seed: the same seed gives the same run. What a node does
// around its core is written anew here, simply; the goroutines that do it in
// production are tested elsewhere.

// faults says what may go wrong in a run.
type faults struct {
	nodes      int
	shards     uint32
	drift      float64 // clocks run apart by at most this, either way
	drop       float64
	late       float64 // messages that take up to two seconds
	zombies    float64 // messages that take up to half a minute
	losses     bool    // the store is wiped, and restored from backups, in place of the nemesis
	vandals    bool    // records of shards are removed, and those of shards and members overwritten
	nonsense   bool    // records of members are readable, and say what no node says
	nemesis    bool    // crashes, pauses, partitions, outages of the store, joins and leaves
	noise      time.Duration
	end        time.Duration
	broken     broken
	converge   time.Duration // after the last fault, until all is as it should be
	plannedFor bool          // only joins and leaves: no request may fail
}

// broken is a rule of the protocol that a mutant does not keep.
type broken struct {
	ackLease      bool // the lease is counted from the answer
	noGuard       bool // requests are served whatever the lease says
	noDrain       bool // a shard is handed over while it is served
	blindWrites   bool // the store ignores revisions
	claimAlive    bool // owners count as dead when they are late by a lease
	retryMaybe    bool // clients try again what may have run
	keepsLost     bool // a node that was declared dead goes on with its shards
	noBlind       bool // time in which the store did not work counts against others
	lyingAsOf     bool // a snapshot from a late replica says that it is fresh
	dropsQueue    bool // a drain does not wait for notifications that were accepted
	forgetsRev    bool // hints count whatever their revision
	claimsRemoved bool // a member whose record was removed counts as dead at once
	sparesSpoiled bool // a member whose record is not readable is never declared dead
	countsAnew    bool // the epochs of a shard whose record was removed begin at 1 again
	noStayer      bool // a node that leaves waits for no other that does
	endsAlive     bool // an earlier process counts as ended while it lives
	noMargin      bool // a node serves until others may declare it dead
}

// decoded is the record of a shard that was last looked at.
type decoded struct {
	of  membership.Entry
	rec record.Shard
}

type world struct {
	timing *membership.Timing // of all nodes, if not the simulation's own
	rng    *rand.Rand
	f      faults
	now    time.Duration
	queue  queue
	serial int
	store  store
	nodes  []*node
	incs   int

	started     map[uint32]uint64        // by shard: the highest epoch that a turn has started in
	opened      map[[2]uint64]record.Ref // by shard and epoch
	runs        map[int]int              // by op
	order       map[clientKey]int        // the last number that has run
	bad         []string
	deaths      int
	innocent    int // the dead that had done nothing wrong
	acked       int
	maybe       int
	never       int
	overlaps    int
	ledger      ledger
	lastBad     time.Duration // when a shard was last not where it should be
	faultEnd    time.Duration // when the last fault has ended
	vandalized  int
	losses      int
	spoiled     int           // records of members
	spared      time.Duration // until when nobody is killed, so that others hear what he remembers
	moves       int           // owners that have changed, other than from nobody
	ideal       int           // of those, what the comings and goings ask for
	decoded     []decoded     // by shard
	truth       *Core         // of nobody, which knows the members as the store has them
	ops         int
	wasMaybe    map[int]bool
	together    int // how often all nodes were told to leave at once
	successions int // restarts that have proven that the process before has ended
	hooks       int // shards whose stop hooks were served
	neverOps    []int
}

func newWorld(seed uint64, f faults) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 11)), f: f, started: map[uint32]uint64{}, opened: map[[2]uint64]record.Ref{},
		ledger: ledger{by: map[keyEpoch]*served{}, turns: map[string][]*turn{}, accepted: map[int]time.Duration{}},
		runs:   map[int]int{}, order: map[clientKey]int{}, wasMaybe: map[int]bool{},
	}
	w.store.init(w)
	for i := range f.nodes + 1 { // the last has the name of the first: they take over from each other
		n := &node{w: w, slot: i, name: fmt.Sprint("node-", i%f.nodes), rate: 1 + (2*w.rng.Float64()-1)*f.drift, weight: 1, lease: never, term: 10 * time.Second}
		if w.chance(0.3) {
			n.weight = 2
		}
		if w.chance(0.2) {
			n.term = 6 * time.Second
		}
		w.nodes = append(w.nodes, n)
	}
	return w
}

func (w *world) layout() sharding.Layout { return sharding.Layout{NumShards: w.f.shards} }

func (w *world) violation(format string, args ...any) {
	if len(w.bad) < 10 {
		w.bad = append(w.bad, fmt.Sprintf("%v: ", w.now)+fmt.Sprintf(format, args...))
	}
}

func (w *world) verdict() string { return strings.Join(w.bad, "\n") }

// item is something that happens at a moment; equal moments keep their order.
type item struct {
	at     time.Duration
	serial int
	f      func()
}

func (i item) before(j item) bool { return i.at < j.at || i.at == j.at && i.serial < j.serial }

// queue is a heap of items. That of package container boxes each.
type queue []item

func (q *queue) push(x item) {
	s := append(*q, x)
	*q = s
	i := len(s) - 1
	for ; i > 0 && x.before(s[(i-1)/2]); i = (i - 1) / 2 {
		s[i] = s[(i-1)/2]
	}
	s[i] = x
}

func (q *queue) pop() item {
	s := *q
	first, last := s[0], s[len(s)-1]
	s[len(s)-1] = item{}
	s = s[:len(s)-1]
	*q = s
	i := 0
	for child := 1; child < len(s); child = 2*i + 1 {
		if child+1 < len(s) && s[child+1].before(s[child]) {
			child++
		}
		if !s[child].before(last) {
			break
		}
		s[i], i = s[child], child
	}
	if len(s) > 0 {
		s[i] = last
	}
	return first
}

func (w *world) after(d time.Duration, f func()) {
	w.serial++
	w.queue.push(item{w.now + d, w.serial, f})
}

func (w *world) run() {
	for len(w.queue) > 0 {
		i := w.queue.pop()
		if i.at > w.f.end {
			return
		}
		w.now = i.at
		i.f()
	}
}

func (w *world) noisy() bool           { return w.now < w.f.noise }
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }
func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(d) + 1))
}

// delay is how long a message takes.
func (w *world) delay() time.Duration {
	d := 200*time.Microsecond + time.Duration(w.rng.ExpFloat64()*float64(time.Millisecond))
	switch x := w.rng.Float64(); {
	case !w.noisy():
	case x < w.f.zombies:
		d += w.upTo(30 * time.Second)
	case x < w.f.zombies+w.f.late:
		d += w.upTo(2 * time.Second)
	}
	return d
}

func (w *world) lost() bool { return w.noisy() && w.chance(w.f.drop) }

// never is before every moment of a node's clock.
const never = -1 << 62

// store is a store with replicas that lag.
type store struct {
	writes, reads int // operations
	w             *world
	records       map[string]membership.Entry
	rev           uint64
	log           []membership.Entry // all writes, in order
	keys          []string           // of records that were ever there, in the order in which they came
	known         map[string]bool    // by key: it is among them
	times         []time.Duration
	down          time.Duration // until when nothing works
	gone          bool          // until somebody makes it anew
	made          uint64        // when that was, as a base
}

func (s *store) init(w *world) {
	s.w, s.records, s.known = w, map[string]membership.Entry{}, map[string]bool{}
	cfg := record.NewConfig(w.layout())
	cfg.Base = 1000
	s.write(Write{Key: record.ConfigKey, Value: record.Encode(cfg)})
}

// index notes that there is, or was, a record.
func (s *store) index(key string) {
	if !s.known[key] {
		s.known[key] = true
		s.keys = append(s.keys, key)
	}
}

func (s *store) working() bool { return s.w.now >= s.down }

func (s *store) write(e Write) Result {
	s.writes++
	if s.gone {
		return Result{Op: e.Op, Status: NoStore}
	}
	if cur := s.records[e.Key]; cur.Rev != e.Rev && !s.w.f.broken.blindWrites {
		return Result{Op: e.Op, Status: Conflict}
	}
	s.rev++
	entry := membership.Entry{Key: e.Key, Rev: s.rev, Value: e.Value}
	if e.Value == nil {
		delete(s.records, e.Key)
	} else {
		s.records[e.Key] = entry
	}
	s.log, s.times = append(s.log, entry), append(s.times, s.w.now)
	s.index(entry.Key)
	s.w.noteWrite(entry)
	for _, n := range s.w.nodes {
		n.hint(entry)
	}
	return Result{Op: e.Op, Rev: s.rev}
}

// read answers from a replica that may be late, although stores should not.
func (s *store) read(e Read) Result {
	s.reads++
	if s.gone {
		return Result{Op: e.Op, Status: NoStore}
	}
	entry, asOf := s.records[e.Key], s.replica(0.05)
	if entry.Rev > asOf {
		entry = membership.Entry{}
		for _, old := range s.log[:asOf] {
			if old.Key == e.Key && old.Value != nil {
				entry = old
			}
		}
	}
	entry.Key = e.Key
	return Result{Op: e.Op, Entries: []membership.Entry{entry}}
}

// replica returns what the one that answers knows of.
func (s *store) replica(late float64) (asOf uint64) {
	asOf = s.rev
	if s.w.noisy() && s.w.chance(late) {
		until := s.w.now - s.w.upTo(3*time.Second)
		for asOf > 0 && s.times[asOf-1] > until {
			asOf--
		}
	}
	return asOf
}

// snapshot answers from a replica that may be late, and says so.
func (s *store) snapshot(e Snapshot) Result {
	s.reads++
	if s.gone {
		return Result{Op: e.Op, Status: NoStore}
	}
	asOf := s.replica(0.2)
	r := Result{Op: e.Op, AsOf: asOf}
	if s.w.f.broken.lyingAsOf {
		r.AsOf = s.rev
	}
	if asOf == s.rev {
		for _, key := range s.keys {
			if entry, ok := s.records[key]; ok && strings.HasPrefix(key, e.Prefix) {
				r.Entries = append(r.Entries, entry)
			}
		}
		return r
	}
	seen := map[string]int{}
	for _, entry := range s.log[:asOf] {
		if !strings.HasPrefix(entry.Key, e.Prefix) {
			continue
		}
		if i, ok := seen[entry.Key]; ok {
			r.Entries[i] = entry
		} else {
			seen[entry.Key] = len(r.Entries)
			r.Entries = append(r.Entries, entry)
		}
	}
	alive := r.Entries[:0]
	for _, entry := range r.Entries {
		if entry.Value != nil {
			alive = append(alive, entry)
		}
	}
	r.Entries = alive
	return r
}
