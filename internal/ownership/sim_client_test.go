package ownership

import (
	"bytes"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

const (
	simDeadline = 30 * time.Second
	simTurn     = 20 * time.Millisecond
	simLongTurn = 300 * time.Millisecond
)

// simKeys are the keys that clients ask.
var simKeys = func() (keys [40]string) {
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	return keys
}()

// The ends of a request, as its caller learns them.
type ending int

const (
	open     ending = iota
	ran             // a reply
	neverRan        // NotSent or NotStarted
	mayHaveRun
)

// request is one try of a call.
type request struct {
	w      *world
	op     int
	client int
	number int // of the client's to this key
	key    string
	shard  uint32
	epoch  uint64
	notify bool // answered when it is accepted
	hook   bool // of a stop hook: it runs beside all else
	back   func(ending)
}

// answer sends the outcome back, unless it gets lost.
func (r *request) answer(n *node, o ending) {
	if r.w.lost() {
		return
	}
	r.w.after(r.w.delay(), func() { r.back(o) })
}

// arrive takes a request on the node that has subscribed to its shard and epoch.
func (n *node) arrive(r *request) {
	s := n.served[r.shard]
	if s == nil || s.epoch != r.epoch || !s.open && !(r.hook && s.final()) {
		r.answer(n, neverRan)
		return
	}
	if r.hook {
		r.answer(n, ran)
		return
	}
	if r.notify {
		if n.clock() >= n.lease && !n.w.f.broken.noGuard {
			r.answer(n, neverRan)
			return
		}
		n.w.ledger.accepted[r.op] = n.w.now
		r.answer(n, ran)
	}
	s.lines[r.key] = append(s.lines[r.key], r)
	if len(s.lines[r.key]) == 1 {
		n.turn(s, r.key)
	}
}

// turn starts the first request in a key's line, if the node may.
func (n *node) turn(s *served, key string) {
	w := n.w
	for len(s.lines[key]) > 0 {
		r := s.lines[key][0]
		if (s.open || w.f.broken.noDrain || r.notify && s.drains) && (n.clock() < n.lease || w.f.broken.noGuard) {
			break
		}
		s.lines[key] = s.lines[key][1:]
		if !r.notify {
			r.answer(n, neverRan)
		}
	}
	if len(s.lines[key]) == 0 {
		return
	}
	r := s.lines[key][0]
	end := w.noteStart(n, s, r)
	s.running++
	most := simTurn
	if w.chance(0.1) {
		most = simLongTurn
	}
	n.later(w.upTo(most), func() {
		s.running--
		end()
		s.lines[key] = s.lines[key][1:]
		if !r.notify {
			r.answer(n, ran)
		}
		n.turn(s, key)
	})
}

// clientKey is what one client sends to one key.
type clientKey struct {
	client int
	key    string
}

// noteStart checks what must hold whenever a turn starts.
func (w *world) noteStart(n *node, s *served, r *request) (end func()) {
	if s.epoch < w.started[s.id] {
		w.violation("shard %d: a turn of epoch %d starts on %v after one of epoch %d", s.id, s.epoch, n.ref, w.started[s.id])
	}
	w.started[s.id] = max(w.started[s.id], s.epoch)
	if w.runs[r.op]++; w.runs[r.op] > 1 {
		w.violation("op %d runs for the %d. time, on %v", r.op, w.runs[r.op], n.ref)
	}
	line := clientKey{r.client, r.key}
	if last := w.order[line]; r.number < last && !w.wasMaybe[r.op] {
		w.violation("client %d key %s: number %d runs after %d", r.client, r.key, r.number, last)
	}
	w.order[line] = max(w.order[line], r.number)
	return w.noteTurn(n, s, r)
}

// client sends one request after the other.
func (w *world) client(id int) {
	epochs := map[uint32]uint64{}
	shards := map[string]uint32{}
	numbers := map[string]int{}
	key, stay := "", false
	var next func()
	next = func() {
		if !stay {
			key = simKeys[w.rng.IntN(len(simKeys))]
		}
		key := key
		shard, ok := shards[key]
		if !ok {
			shard = w.layout().Shard(key)
			shards[key] = shard
		}
		numbers[key]++
		w.ops++
		notify := w.chance(0.3) || stay && w.chance(0.5)
		op, begun, settled := w.ops, w.now, false
		settle := func(o ending) {
			if settled {
				w.violation("op %d has a second outcome", op)
				return
			}
			settled = true
			w.noteOutcome(op, o, notify)
			if stay = notify && w.chance(0.8); stay { // another, behind it
				next()
				return
			}
			w.after(20*time.Millisecond+w.upTo(200*time.Millisecond), next)
		}
		pause := 2 * time.Millisecond
		var try func()
		again := func() {
			if w.now-begun > simDeadline {
				settle(neverRan)
				return
			}
			pause = min(2*pause, 250*time.Millisecond)
			w.after(w.upTo(pause), func() { w.locate(shard, epochs); try() })
		}
		try = func() {
			answered := false
			r := &request{w: w, op: op, client: id, number: numbers[key], key: key, shard: shard, epoch: epochs[shard], notify: notify}
			end := func(o ending) {
				if answered {
					return
				}
				answered = true
				switch {
				case o == neverRan, o == mayHaveRun && w.f.broken.retryMaybe:
					again()
				default:
					settle(o)
				}
			}
			r.back = end
			w.after(2*time.Second, func() {
				if !answered {
					w.wasMaybe[op] = true
				}
				end(mayHaveRun)
			})
			if w.lost() {
				return
			}
			w.after(w.delay(), func() { w.route(r) })
		}
		try()
	}
	w.after(w.upTo(time.Second), next)
}

// route gives a request to who has subscribed to its shard and epoch. Without
// such, the message server says so at once.
func (w *world) route(r *request) {
	found := false
	for _, n := range w.nodes {
		if s := n.served[r.shard]; n.up && s != nil && s.epoch == r.epoch {
			found = true
			gen := n.gen
			n.on(gen, func() { n.arrive(r) })
		}
	}
	if !found {
		r.back(neverRan)
	}
}

// locate asks any node for the owner, which knows what it has last seen.
func (w *world) locate(shard uint32, epochs map[uint32]uint64) {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if n.w.f.losses && n.up { // also an epoch that is lower: clients doubt what does not serve
		epochs[shard] = n.core.shards.all[shard].rec.Epoch
	} else if n.up && !n.paused {
		epochs[shard] = max(epochs[shard], n.core.shards.all[shard].rec.Epoch)
	}
}

func (w *world) noteOutcome(op int, o ending, notify bool) {
	switch o {
	case ran:
		w.acked++
		if w.runs[op] != 1 && !notify {
			w.violation("op %d was answered and ran %d times", op, w.runs[op])
		}
	case mayHaveRun:
		w.maybe++
	case neverRan:
		w.never++
		w.neverOps = append(w.neverOps, op)
		if w.f.plannedFor {
			w.violation("op %d failed in planned moves", op)
		}
	}
	if o == mayHaveRun && w.f.plannedFor {
		w.violation("op %d may have run, in planned moves", op)
	}
}

// noteDeath counts those who are declared dead although they have done nothing.
func (w *world) noteDeath(e Write) {
	if w.store.records[e.Key].Rev != e.Rev {
		return
	}
	w.deaths++
	for _, n := range w.nodes {
		if record.MemberKey(n.ref) == e.Key && n.up && !n.paused && w.now-n.touched > 15*time.Second {
			w.innocent++
		}
	}
}

// check looks at the end of a run.
func (w *world) check() {
	for _, op := range w.neverOps {
		if w.runs[op] != 0 {
			w.violation("op %d was said never to run, and ran %d times", op, w.runs[op])
		}
	}
	w.checkLedger()
	for shard := range w.f.shards {
		if why := w.misplaced(shard); why != "" {
			w.violation("at the end %s", why)
		}
	}
}

// record is that of a shard. It is looked at again and again.
func (w *world) record(shard uint32) record.Shard {
	if w.decoded == nil {
		w.decoded = make([]decoded, w.f.shards)
	}
	e, d := w.store.records[record.ShardKey(shard)], &w.decoded[shard]
	if d.of.Rev != e.Rev || !bytes.Equal(d.of.Value, e.Value) {
		rec, _ := record.DecodeShard(e)
		*d = decoded{e, rec}
	}
	return d.rec
}

// misplaced says what is wrong with a shard where nothing goes wrong any more.
func (w *world) misplaced(shard uint32) string {
	rec := w.record(shard)
	var owner *node
	for _, n := range w.nodes {
		if s := n.served[shard]; n.up && s != nil && s.open {
			if owner != nil {
				return fmt.Sprintf("shard %d is served by %v and %v", shard, owner.ref, n.ref)
			}
			owner = n
		}
	}
	switch {
	case owner == nil:
		return fmt.Sprintf("shard %d has no owner; its record: %+v", shard, rec)
	case owner.ref != rec.Owner || owner.core.targets.of(shard) != rec.Owner:
		return fmt.Sprintf("shard %d is served by %v, its record says %v, it should be %v", shard, owner.ref, rec.Owner, owner.core.targets.of(shard))
	case owner.clock() >= owner.lease:
		return fmt.Sprintf("shard %d is of %v, whose lease has ended", shard, owner.ref)
	}
	return ""
}
