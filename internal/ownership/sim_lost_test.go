package ownership

import (
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// The store is wiped, or restored from a backup, while nodes come and go. What a node
// does around its core about that is written anew here, as all else: it makes the store
// when it is gone for certain, founds the cluster when nobody has a lease, and asks the
// others for what the store does not know.

// simAbsent is for how long a store must be gone, or know too little, to be believed.
const simAbsent = 2 * time.Second

// born is a moment of the store's clock, as a base.
func (w *world) born() uint64 { return 1_000_000 + uint64(w.now.Microseconds()) }

// lose does something to a node or to the store, until the noise ends.
func (w *world) lose() {
	w.faultEnd = max(w.faultEnd, w.now)
	if w.now > w.f.noise-30*time.Second {
		for _, n := range w.nodes {
			if !n.up {
				n.start()
			}
		}
		return
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch kind := w.rng.IntN(8); {
	case !n.up:
		n.start()
	case kind == 0 && w.now > w.spared:
		n.kill()
	case kind == 1 && !n.leaving && w.now > w.spared:
		n.leave()
	case kind == 2:
		w.store.down = w.now + w.upTo(20*time.Second)
	case kind <= 4 && w.now > w.spared:
		w.wipe()
	case kind == 5 && w.now > w.spared:
		w.restore()
	}
	w.after(time.Second+w.upTo(8*time.Second), w.lose)
}

// wipe takes everything that the store has. No node is killed before the others have
// heard what it remembers: that is an operator's part, as in the documents.
func (w *world) wipe() {
	s := &w.store
	w.losses++
	w.spared = w.now + 40*time.Second
	s.gone, s.records, s.log, s.times, s.rev = true, map[string]membership.Entry{}, nil, nil, 0
	s.keys, s.known = nil, map[string]bool{}
	w.truth = nil
}

// restore goes back to an earlier revision, if a node is there that remembers what is
// forgotten by that.
func (w *world) restore() {
	s := &w.store
	if s.gone || !slices.ContainsFunc(w.nodes, w.knowsAll) {
		return
	}
	w.losses++
	w.spared = w.now + 40*time.Second
	rev := uint64(w.rng.Int64N(int64(s.rev) + 1))
	s.rev, s.log, s.times, s.records = rev, s.log[:rev:rev], s.times[:rev:rev], map[string]membership.Entry{}
	s.keys, s.known = nil, map[string]bool{}
	for _, e := range s.log {
		s.index(e.Key)
		if s.records[e.Key] = e; e.Value == nil {
			delete(s.records, e.Key)
		}
	}
	w.truth = nil
	for _, e := range s.log {
		w.noteWrite(e)
	}
}

// knowsAll reports whether a node has seen the newest version of every shard.
func (w *world) knowsAll(n *node) bool {
	if !n.up || n.agreeing || n.clock() >= n.lease {
		return false
	}
	for i := range n.core.shards.all {
		if n.core.shards.all[i].rev < w.store.records[record.ShardKey(uint32(i))].Rev {
			return false
		}
	}
	return true
}

// heard is what the other nodes know of epochs, by shard.
func (n *node) heard() (epochs []uint64) {
	for _, o := range n.w.nodes {
		if o == n || !o.up || o.known == nil {
			continue
		}
		epochs = append(epochs, make([]uint64, len(o.known)-len(epochs))...)
		for i, epoch := range o.known {
			epochs[i] = max(epochs[i], epoch)
		}
	}
	if len(epochs) == 0 || slices.Max(epochs) == 0 {
		return nil
	}
	return epochs
}

// agree calls join with the base of the cluster's configuration when the node may join.
func (n *node) agree(join func(base uint64)) {
	w, s, gen := n.w, &n.w.store, n.gen
	n.agreeing = true
	absent, until, highest := time.Duration(never), time.Duration(never), uint64(0)
	var look func()
	again := func(d time.Duration) { w.after(d, func() { n.on(gen, look) }) }
	look = func() {
		now := n.clock()
		if !s.working() {
			absent = never
			again(250 * time.Millisecond)
			return
		}
		if s.gone {
			if absent == never {
				absent = now
			}
			if now-absent >= simAbsent || n.waited {
				s.gone = false
				s.made = w.born()
			}
			again(250 * time.Millisecond)
			return
		}
		cfg, err := record.Decode[record.Config](s.records[record.ConfigKey].Value)
		switch there := err == nil; {
		case !there && !n.waited:
			n.waited = true
			if n.past.Epoch > 0 || n.heard() != nil {
				until = now + 22*time.Second
			}
			n.asked = true
			again(time.Second)
		case !there && now < until:
			again(time.Second)
		case !there:
			cfg := record.NewConfig(w.layout())
			cfg.Base = max(s.made, n.past.Epoch+1)
			s.write(Write{Key: record.ConfigKey, Value: record.Encode(cfg)})
			again(time.Millisecond)
		case now < until && n.past.Lost && cfg.Base <= highest:
			again(time.Second)
		case !n.asked:
			heard := n.heard()
			if highest = slices.Max(append(heard, 0)); n.past.Epoch > 0 || n.knownBy(heard) {
				n.asked = true
				again(time.Millisecond)
				return
			}
			if absent == never {
				absent = now
			}
			if now-absent >= simAbsent {
				n.asked = true
				n.past = Past{Base: cfg.Base, Epoch: highest, Lost: true}
				until = now + 22*time.Second
			}
			again(250 * time.Millisecond)
		default:
			n.waited, n.agreeing = false, false
			join(cfg.Base)
		}
	}
	look()
}

// knownBy reports whether the store knows what was heard of.
func (n *node) knownBy(heard []uint64) bool {
	for i, epoch := range heard {
		e := n.w.store.records[record.ShardKey(uint32(i))]
		if rec, err := record.DecodeShard(e); epoch > 0 && (e.Value == nil || err == nil && rec.Epoch < epoch) {
			return false
		}
	}
	return true
}

// TestLostStores: the whole store is wiped, or restored from a backup, beside deaths,
// leaves and outages. No epoch is used twice, no shard is served twice, and all are served
// in the end.
func TestLostStores(t *testing.T) {
	f := asWritten()
	f.nemesis, f.losses, f.converge = false, true, 0
	f.noise, f.end = 150*time.Second, 260*time.Second
	n := max(1, *seeds/10)
	bad, first, seed, sum := forSeeds(*from, n, f)
	t.Logf("%d seeds from %d: the store was lost %d times; %v", n, *from, sum.losses, sum)
	if bad > 0 {
		t.Errorf("%d of %d seeds are bad; the first, %d (-run %s -seeds 1 -from %d):\n%s", bad, n, seed, t.Name(), seed, first.verdict())
	}
	if sum.losses < n {
		t.Errorf("the store was lost %d times only", sum.losses)
	}
}
