// Whether the store is still the one that the node knows; the base of epochs

package ownership

import (
	"cmp"
	"math"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// Past is what a node remembers of the store from its incarnations before.
type Past struct {
	Base  uint64 // of the cluster's configuration
	Rev   uint64 // the highest revision
	Epoch uint64 // the highest epoch
	// Lost: the store was gone, or had forgotten something. The revisions that it has
	// reached since then do not show that.
	Lost bool
}

// lineage is the node's view of whether the store is still the one that it knows.
// A store that was lost and made anew, or restored from a backup, has forgotten
// epochs. So each store has a base in its configuration. Before a node claims a shard, the base is
// above all epochs that nodes remember. A record that looks lost counts as lost only
// after a later renewal has succeeded, because no other store accepts that renewal.
type lineage struct {
	*operations
	own     *own
	members *members
	shards  *shards

	past Past // of the incarnations before, and of this

	base   uint64
	known  bool // base is above all that the node remembers
	asking bool
	gone   bool   // the store has said that there is none
	seen   uint64 // the highest revision that this incarnation has seen
	lostBy uint64 // of the renewals, when the configuration was found missing; 0 if it is there
	other  uint64 // the revision in which it was told to be of another layout; 0 if it is not

	doubted   bool          // the store is gone, or has forgotten the node's renewals
	doubtedAt time.Duration // when that was first seen, and again and again since
	doubtSeen time.Duration // when it was last
	doubtOf   uint64        // the revision of the node's record that was there then; noStore
	founded   bool          // the store that is there has a configuration: others may have leases from it

	forgotten   bool // proven by what it says: nothing clears that
	forgottenAt time.Duration
}

// A store that is gone differs from a server that is behind: every look must find it gone, and the
// pause between two looks must not be longer than this. A renewal that fails is tried more often.
// The core tells of the loss after a while, and acts on it when all leases have ended.
const (
	noStore    = math.MaxUint64
	doubtPause = 2 * time.Second
	goneAfter  = 2 * time.Second
)

// result takes how an operation on the store has ended.
func (l *lineage) result(s Status) {
	switch {
	case s == NoStore:
		l.doubt(noStore)
		if !l.gone && l.doubtSeen-l.doubtedAt >= goneAfter {
			l.gone = true
			l.emit(StoreGone{})
		}
	case s == Done || s == Conflict:
		l.gone = false
	}
}

// doubt notes that the store is not the one in which the node has a lease: the store has an
// older version of the node's record, or is gone. No node can have renewed a lease in the earlier
// store since doubtedAt. The time counts anew if other nodes may have renewed: when the looks before
// are older than a pause, or when the store, which others may have joined, has lost more since.
func (l *lineage) doubt(of uint64) {
	now := l.now
	more := l.founded && (of == noStore || of < l.doubtOf)
	if !l.doubted || now-l.doubtSeen > doubtPause || more {
		l.doubtedAt = now
	}
	if more {
		l.forgottenAt, l.founded = now, false
	}
	if !l.doubted {
		l.founded = false
	}
	l.doubted, l.doubtSeen, l.doubtOf = true, now, of
}

// trust ends a doubt: the store has the node's last renewal.
func (l *lineage) trust() { l.doubted = l.forgotten }

// forgot notes a proof that the store has forgotten writes which it had done: it was
// restored from a backup, or has lost the last ones. The node renews nothing any more.
// Its lease ends, others see that, and its next incarnation is above what was forgotten.
func (l *lineage) forgot() {
	if !l.forgotten {
		l.doubt(l.own.rev)
		l.forgotten, l.forgottenAt = true, l.now
	}
}

// Lost is the state of a node whose store is gone. It stands in no record.
const Lost = "lost"

// endIfGone ends the incarnation when its store was seen to be gone for so long that
// the lease of every member has ended by its own clock: another store may be used then.
func (l *lineage) endIfGone() {
	if !l.doubted || l.own.valid() {
		return
	}
	since := l.doubtSeen - l.doubtedAt
	if l.forgotten {
		since = l.now - l.forgottenAt
	}
	if since >= l.members.longestLease()+l.self.Timing.Delta {
		l.past.Lost = true
		l.shards.end(Gone{State: Lost, Unleased: !l.founded})
	}
}

// compare looks for shard records that the node has seen and that a snapshot lacks. Two such
// snapshots in a row prove that the store has forgotten the record. Without that proof the
// node would hold on to a record that is not there, and its writes would never succeed.
func (l *lineage) compare(snapshot Result) {
	for _, e := range snapshot.Entries {
		id, ok := record.ParseShardKey(e.Key)
		if !ok || id >= l.self.Layout.NumShards {
			continue
		}
		switch s := &l.shards.all[id]; {
		case e.Rev >= s.rev || s.rev > snapshot.AsOf:
			s.older = 0
		case s.older == 0:
			s.older = l.now
		case l.now-s.older >= goneAfter:
			l.forgot()
		}
	}
}

// look reads the configuration.
func (l *lineage) look() {
	if !l.asking {
		l.asking = true
		l.read(record.ConfigKey, func(r Result) {
			l.asking = false
			if r.Status == Done {
				l.see(r.Entries[0])
			}
		})
	}
}

// see takes a version of the configuration, and writes one with another base where
// this is too low, or none where it is missing.
func (l *lineage) see(e membership.Entry) {
	l.founded = l.founded || l.doubted && e.Value != nil
	if l.own.rev == 0 || l.doubted {
		return // what the node has to remember is not decided yet, or this is not its store
	}
	have, err := record.Decode[record.Config](e.Value)
	if err == nil && have.Base >= record.MaxEpoch {
		have.Base = 0
	}
	there := err == nil && e.Value != nil && record.NewConfig(l.self.Layout).Check(have) == nil
	want := max(l.base, have.Base)
	if p := l.self.Past; p.Epoch > 0 && (p.Lost || there && have.Base != p.Base || l.own.record.Born <= p.Rev) {
		want = max(want, p.Epoch+1) // it has forgotten what this node remembers
	}
	if there && have.Base >= want {
		if !l.known {
			l.past.Rev, l.past.Lost = l.own.rev, false // those of an earlier store say nothing any more
		}
		l.base, l.known, l.lostBy = have.Base, true, 0
		l.overwritten(0, nil)
		l.shards.dirty = true
		return
	}
	if !there && e.Value != nil && err == nil {
		l.overwritten(e.Rev, record.NewConfig(l.self.Layout).Check(have))
		if !l.known || have.Version > record.NewConfig(l.self.Layout).Version || !l.firstOfItsKind() {
			return // not ours to mend
		}
	}
	if !there && !l.mayMend() {
		return
	}
	cfg := record.NewConfig(l.self.Layout)
	cfg.Base, cfg.Cluster = want, l.self.Cluster
	if there {
		cfg.Cluster = have.Cluster
	}
	l.asking = true
	l.write(record.ConfigKey, e.Rev, cfg, func(r Result) {
		l.asking = false
		if r.Status == Done {
			l.emit(Rebased{Base: want, Missing: !there})
			l.see(membership.Entry{Key: record.ConfigKey, Rev: r.Rev, Value: record.Encode(cfg)})
		}
	})
}

// overwritten tells, once, that the configuration is of another layout; with 0 that it is
// not any more.
func (l *lineage) overwritten(rev uint64, err error) {
	if l.other != rev {
		l.other = rev
		l.emit(Overwritten{err})
	}
}

// firstOfItsKind reports whether no earlier member has another layout. If nodes of two layouts are
// in one store, the layout of the oldest member counts. The other nodes do not write
// their layout over it again and again.
func (l *lineage) firstOfItsKind() bool {
	own := l.own.record
	return !l.members.some(func(_ record.Ref, m *member) bool {
		return !m.Final() && m.Layout != "" && m.Layout != own.Layout && m.Born < own.Born
	})
}

// mayMend reports whether the node may write a configuration that is missing: it
// serves, and has renewed its lease in this store since it found it missing.
func (l *lineage) mayMend() bool {
	l.lostBy = cmp.Or(l.lostBy, l.own.record.Counter)
	return l.own.valid() && l.own.state == record.Active && l.own.confirms(l.lostBy)
}

// note remembers a revision.
func (l *lineage) note(rev uint64) {
	l.seen = max(l.seen, rev)
	l.past.Rev = max(l.past.Rev, rev)
}
