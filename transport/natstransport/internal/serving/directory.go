// What an end answers to questions about owners

package serving

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

var _ dispatch.Link = (*Subscription)(nil)

// Directory answers questions about owners: from the records of nodes, and from the fixed list of this end.
type Directory struct {
	node  string // of this end
	table *Table
	mu    sync.Mutex
	dirs  atomic.Pointer[[]*Records] // that answer; set with mu held

	// The last answer about the fixed list; the reader's.
	told  uint64 // its version
	runs  []uint32
	bytes []byte
}

// Records are what a node knows of owners.
type Records struct {
	dispatch.Owners
	last struct { // the last answer; the reader's
		first   uint32
		version uint64
		list    uint64
		bytes   []byte
	}
}

// NewDirectory returns the directory of an end that serves what is in a table.
func NewDirectory(node string, table *Table) *Directory {
	d := &Directory{node: node, table: table}
	d.dirs.Store(new([]*Records))
	return d
}

// Use has the reader answer from records, or no more.
func (d *Directory) Use(r *Records, yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(*d.dirs.Load()), func(o *Records) bool { return o == r })
	if yes {
		all = append(all, r)
	}
	d.dirs.Store(&all)
}

// Alone reports whether there are no other records than these.
func (d *Directory) Alone(r *Records) bool {
	all := *d.dirs.Load()
	return len(all) == 1 && all[0] == r
}

// Listed returns the message that tells what this end serves by a fixed list, or nil if the
// question is not for it. Only the reader calls it.
func (d *Directory) Listed(ask *wire.Owners) []byte {
	switch {
	case ask.Ask == wire.AskLiving, ask.Ask == wire.AskOne && d.table.Serving(ask.First, 0) == nil:
		return nil
	case ask.Ask == wire.AskOne:
		return wire.AppendOwners(nil, &wire.Owners{First: ask.First, Owners: []wire.Owner{{Node: d.node}}})
	}
	d.makeList()
	return d.bytes
}

// makeList makes the answer about the fixed list anew if the list has changed.
func (d *Directory) makeList() {
	shards, version := d.table.list(d.told)
	if d.bytes != nil && version == d.told {
		return
	}
	d.told, d.runs = version, runsOf(shards)
	d.bytes = wire.AppendOwners(nil, &wire.Owners{Node: d.node, Runs: d.runs})
}

// runsOf returns how many shards are skipped and how many follow, alternately.
func runsOf(shards []uint32) (runs []uint32) {
	next := uint32(0)
	for _, shard := range shards {
		if len(runs) == 0 || shard != next {
			runs = append(runs, shard-next, 0)
		}
		runs[len(runs)-1]++
		next = shard + 1
	}
	return runs
}

// Recorded returns the message that names the owners of shards from the one on that a question names, by the records; nil if
// there are none. With many shards it takes the reader milliseconds to make, so the message is made once for each change. Only
// the reader calls it. limit is how large a message may be.
func (d *Directory) Recorded(ask *wire.Owners, limit int) []byte {
	dirs := *d.dirs.Load()
	if len(dirs) == 0 {
		return nil
	}
	r, most := dirs[0], 1
	if ask.Ask != wire.AskOne {
		d.makeList()
		most = min(wire.MaxEpochs, max(0, limit-wire.MaxSeed-5*len(d.runs))/wire.MaxOwner)
	}
	version, l := r.Version(), &r.last
	if ask.Ask != wire.AskOne && l.bytes != nil && l.first == ask.First && l.version == version && l.list == d.told {
		return l.bytes
	}
	told := wire.Owners{First: ask.First, Seed: r.Seed()}
	owners, count := r.Owners.Owners(ask.First, most)
	told.NumShards = count
	for _, o := range owners {
		told.Owners = append(told.Owners, wire.Owner{Epoch: o.Epoch, Node: o.Address})
	}
	if ask.Ask == wire.AskOne {
		return wire.AppendOwners(nil, &told)
	}
	if len(d.runs) > 0 { // this end has both
		told.Node, told.Runs = d.node, d.runs
	}
	l.first, l.version, l.list, l.bytes = ask.First, version, d.told, wire.AppendOwners(nil, &told)
	return l.bytes
}

// NotServed is the error for a shard that this node does not serve in its epoch.
func (d *Directory) NotServed(shard uint32, epoch uint64) *outcome.Error {
	if epoch == 0 && len(*d.dirs.Load()) == 0 {
		return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", shard)
	}
	return outcome.Errorf(outcome.ErrNotOwner, "the node does not own shard %d in epoch %d", shard, epoch)
}

// Owner returns the owner of a shard by the records, if its epoch is not below that of an owner that is known otherwise.
func (d *Directory) Owner(shard uint32, known wire.Owner) wire.Owner {
	for _, r := range *d.dirs.Load() {
		if o, _ := r.Owners.Owners(shard, 1); len(o) > 0 && o[0].Address != "" && o[0].Epoch >= known.Epoch {
			known = wire.Owner{Epoch: o[0].Epoch, Node: o[0].Address}
		}
	}
	return known
}
