package ownership

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/sharding"
)

// script drives one core by hand, against a store that does as it is told. What
// the core wants done is done at once, unless the test holds it.
type script struct {
	t     *testing.T
	core  *Core
	now   time.Duration
	rev   uint64
	log   []membership.Entry          // all writes, in order
	store map[string]membership.Entry // what they have come to

	asOf   uint64            // snapshots show no more than this; 0 is all
	hold   func(Effect) bool // what the test answers
	held   []Effect
	queue  []Effect
	told   []string                      // effects other than operations, since the last want
	lease  Lease                         // the last
	living map[record.Ref]*record.Member // renew themselves while time passes
	ended  []record.Process
	writes int
	first  map[uint32]uint64 // by shard: the epoch that it was first claimed in, which is a revision
}

// nth numbers the epochs of a shard from 1 on, if its record began with a claim.
func (s *script) nth(shard uint32, epoch uint64) uint64 {
	return epoch - max(s.first[shard], 1) + 1
}

// epoch undoes nth.
func (s *script) epoch(shard uint32, n uint64) uint64 { return n + max(s.first[shard], 1) - 1 }

// The members of the scripts. A script drives refA.
var (
	refA = record.Ref{Name: "a", Incarnation: "1"}
	refB = record.Ref{Name: "b", Incarnation: "1"}
	refC = record.Ref{Name: "c", Incarnation: "1"}
)

const scriptShards = 8

func newScript(t *testing.T, timing membership.Timing) *script {
	return newScriptOf(t, Self{Ref: refA, Layout: sharding.Layout{NumShards: scriptShards}, Timing: timing, Cluster: "c"})
}

func newScriptOf(t *testing.T, self Self) *script {
	t.Helper()
	core, err := NewCore(self)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, core: core, now: time.Minute, rev: 100, store: map[string]membership.Entry{}, living: map[record.Ref]*record.Member{}, first: map[uint32]uint64{}}
	s.store[record.ConfigKey] = membership.Entry{Key: record.ConfigKey, Rev: 1, Value: record.Encode(record.NewConfig(core.self.Layout))}
	return s
}

// step tells the core something, and does what it wants done about it.
func (s *script) step(e Event) {
	s.event(e)
	s.flow()
}

// answer does an effect that was held, and what comes of it.
func (s *script) answer(e Effect) {
	s.do(e)
	s.flow()
}

func (s *script) flow() {
	for len(s.queue) > 0 {
		e := s.queue[0]
		s.queue = s.queue[1:]
		if s.hold != nil && s.hold(e) {
			s.held = append(s.held, e)
			continue
		}
		s.do(e)
	}
}

// event queues what the core wants about an event, in place of step where an
// effect is being done.
func (s *script) event(e Event) { s.queue = append(s.queue, s.core.Step(s.now, e)...) }

// do does an effect and tells the core that it was done.
func (s *script) do(e Effect) {
	switch e := e.(type) {
	case Write:
		r := s.write(e)
		s.event(r)
	case Read:
		s.event(s.read(e))
	case Snapshot:
		s.event(s.snapshot(e))
	case Lease:
		s.lease = e
	case Examine:
		if slices.Contains(s.ended, e.Process) {
			s.event(Ended{e.Member})
		}
	case Route:
	case Open:
		s.tell("open %d/%d %s", e.Shard, s.nth(e.Shard, e.Epoch), e.Why)
		s.event(Opened{e.Shard, e.Epoch})
	case Close:
		if !e.Drain {
			s.tell("close %d/%d", e.Shard, s.nth(e.Shard, e.Epoch))
			return
		}
		s.tell("drain %d/%d", e.Shard, s.nth(e.Shard, e.Epoch))
		s.event(Closed{Shard: e.Shard, Epoch: e.Epoch})
	case Moved:
		s.tell("moved %d/%d to %v", e.Shard, s.nth(e.Shard, e.Epoch), cmp.Or(e.To.String(), "nobody"))
	case Gone:
		s.tell("gone %s by %q", e.State, e.By)
	case Superseded:
		s.tell("superseded by %v", e.By)
	case Overwritten:
		if e.Err == nil {
			s.tell("overwritten no more")
		} else {
			s.tell("overwritten %v", e.Err)
		}
	case Spoiled:
		switch {
		case e.Mended:
			s.tell("mended %v", e.Member)
		case e.Removed:
			s.tell("removed %v", e.Member)
		default:
			s.tell("spoiled %v", e.Member)
		}
	case Waits:
		s.tell("waits %v, %d deaths", e.For, e.Deaths)
	case Declared:
		s.tell("declared %v", e.Member)
	default:
		s.tell("%s", strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "ownership.")))
	}
}

func (s *script) tell(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

func (s *script) write(e Write) Result {
	s.writes++
	if s.store[e.Key].Rev != e.Rev {
		return Result{Op: e.Op, Status: Conflict}
	}
	s.put(e.Key, e.Value)
	if id, ok := record.ParseShardKey(e.Key); ok && s.first[id] == 0 {
		if r, err := record.DecodeShard(s.store[e.Key]); err == nil && r.Count == s.rev {
			s.first[id] = r.Epoch
		}
	}
	return Result{Op: e.Op, Rev: s.rev}
}

func (s *script) read(e Read) Result {
	entry := s.store[e.Key]
	entry.Key = e.Key
	return Result{Op: e.Op, Entries: []membership.Entry{entry}}
}

func (s *script) snapshot(e Snapshot) Result {
	at := map[string]membership.Entry{}
	r := Result{Op: e.Op, AsOf: cmp.Or(s.asOf, s.rev)}
	for _, entry := range s.log {
		if strings.HasPrefix(entry.Key, e.Prefix) && entry.Rev <= r.AsOf {
			at[entry.Key] = entry
		}
	}
	for _, key := range slices.Sorted(maps.Keys(at)) {
		if at[key].Value != nil {
			r.Entries = append(r.Entries, at[key])
		}
	}
	return r
}

// put is a write of another's; nil removes.
func (s *script) put(key string, value []byte) membership.Entry {
	s.rev++
	e := membership.Entry{Key: key, Rev: s.rev, Value: value}
	s.log = append(s.log, e)
	if s.store[key] = e; value == nil {
		delete(s.store, key)
	}
	return e
}

func (s *script) putMember(ref record.Ref, m record.Member) membership.Entry {
	if m.LeaseMs == 0 {
		m.LeaseMs = 10_000
	}
	return s.put(record.MemberKey(ref), record.Encode(m))
}

// alive makes a member that renews itself.
func (s *script) alive(ref record.Ref, m record.Member) {
	m.LeaseMs = 10_000
	s.living[ref] = &m
	e := s.putMember(ref, m)
	m.Born = cmp.Or(m.Born, e.Rev)
}

// dies: it does nothing any more.
func (s *script) dies(ref record.Ref) { delete(s.living, ref) }

func (s *script) putShard(id uint32, r record.Shard) membership.Entry {
	r.Why, r.Count = cmp.Or(r.Why, record.Claimed), s.epoch(id, r.Epoch)
	return s.put(record.ShardKey(id), record.Encode(r))
}

// hint tells the core of an entry.
func (s *script) hint(e membership.Entry) { s.step(Seen{[]membership.Entry{e}}) }

// run lets time pass.
func (s *script) run(d time.Duration) {
	for until := s.now + d; ; s.now = min(s.now+TickEvery, until) {
		for _, ref := range slices.SortedFunc(maps.Keys(s.living), func(a, b record.Ref) int { return strings.Compare(a.String(), b.String()) }) {
			if m := s.living[ref]; s.now%time.Second == 0 {
				m.Counter++
				m.Seen = s.rev
				s.hint(s.put(record.MemberKey(ref), record.Encode(m)))
			}
		}
		s.step(Tick{})
		if s.now == until {
			return
		}
	}
}

// take returns the operation that is held, on a record or a shard, and the
// others stay.
func take[E Effect](s *script, is func(E) bool) E {
	s.t.Helper()
	for i, e := range s.held {
		if e, ok := e.(E); ok && (is == nil || is(e)) {
			s.held = slices.Delete(s.held, i, i+1)
			return e
		}
	}
	s.t.Fatalf("%T is not wanted; held: %+v", *new(E), s.held)
	panic("unreachable")
}

func (s *script) takeWrite(key string) Write {
	s.t.Helper()
	return take(s, func(w Write) bool { return w.Key == key })
}

// holdWrites holds the writes to a record.
func (s *script) holdWrites(key string) {
	s.hold = func(e Effect) bool {
		w, ok := e.(Write)
		return ok && w.Key == key
	}
}

// lose ends an operation without an answer.
func (s *script) lose(op uint64) { s.step(Result{Op: op, Status: Unknown}) }

// want compares what was told since the last want.
func (s *script) want(lines ...string) {
	s.t.Helper()
	if !slices.Equal(s.told, lines) {
		s.t.Errorf("at %v:\ntold %q\nwant %q", s.now-time.Minute, s.told, lines)
	}
	s.told = nil
}

// wantCount compares how often a kind of effect was told since the last want.
func (s *script) wantCount(n int, prefix string) {
	s.t.Helper()
	got := 0
	for _, line := range s.told {
		if strings.HasPrefix(line, prefix) {
			got++
		}
	}
	if got != n {
		s.t.Errorf("at %v: %q was told %d times, want %d: %q", s.now-time.Minute, prefix, got, n, s.told)
	}
}

func (s *script) member(ref record.Ref) (m record.Member) {
	_ = json.Unmarshal(s.store[record.MemberKey(ref)].Value, &m)
	return m
}

// shard returns a record, with its epoch as nth numbers it.
func (s *script) shard(id uint32) record.Shard {
	r, err := record.DecodeShard(s.store[record.ShardKey(id)])
	if err == nil {
		r.Epoch, r.Base, r.Count = s.nth(id, r.Epoch), 0, 0
	}
	return r
}

// join runs until the node takes shards, and forgets what it was told.
func (s *script) join() {
	s.t.Helper()
	for range 100 {
		s.run(TickEvery)
		if s.core.own.state == record.Active && !s.core.healing.waiting {
			s.told = nil
			return
		}
	}
	s.t.Fatalf("the node has not joined: %+v", s.core.own)
}

// of returns the shards of a node among nodes, by name.
func of(name string, names ...string) []uint32 {
	return sharding.ShardsForNode(name, names, scriptShards, "")
}
