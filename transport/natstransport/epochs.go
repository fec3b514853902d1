// The node's side of questions about owners: its answers and announcements

package natstransport

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ dispatch.Link             = (*subscription)(nil)
	_ transport.LayoutTransport = (*Transport)(nil)
)

// ownersSub answers questions for owners.
type ownersSub struct {
	t    *Transport
	dir  dispatch.Owners
	last struct { // the last answer; the reader's
		first   uint32
		version uint64
		list    uint64
		bytes   []byte
	}
}

// directory is the node's side of questions about owners.
type directory struct {
	t       *Transport
	dirs    atomic.Pointer[[]*ownersSub] // that answer; set with mu held
	mu      sync.Mutex
	telling atomic.Int32 // answers that wait to be sent

	// The last answer about the fixed list; the reader's.
	told  uint64 // its version
	runs  []uint32
	bytes []byte
}

// maxAnswers bounds the answers that wait, however often clients ask.
const maxAnswers = 64

// Unsubscribe implements [transport.Subscription]. Questions that the server has sent before it
// knew of the end are still answered, because their clients would wait in vain.
func (s *ownersSub) Unsubscribe() error {
	if all := *s.t.directory.dirs.Load(); len(all) == 1 && all[0] == s {
		s.t.link.Shut(&s.t.ears.who)
	}
	s.t.directory.answers(s, false)
	return nil
}

// answers has the reader answer from s, or no more.
func (d *directory) answers(s *ownersSub, yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(*d.dirs.Load()), func(o *ownersSub) bool { return o == s })
	if yes {
		all = append(all, s)
	}
	d.dirs.Store(&all)
}

// tell answers a question for owners: from the records of a node, or from this end's fixed list. Only
// the reader calls it.
func (d *directory) tell(m *nats.Msg) {
	t := d.t
	if !t.isInbox(m.Reply) {
		t.packets.refused.Add(1)
		t.log.Warn("question for owners is ignored: its reply subject is no inbox")
		return
	}
	ask, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.packets.undecodable.Add(1)
		t.log.Warn("question for owners is ignored: it does not decode", "error", err)
		return
	}
	if d.telling.Add(1) > maxAnswers {
		d.telling.Add(-1)
		t.log.Warn("question for owners is ignored: too many wait for an answer")
		return // the client asks again
	}
	var answer []byte
	if dirs := *d.dirs.Load(); m.Sub.Queue == "" {
		answer = d.listed(&ask)
	} else if len(dirs) > 0 {
		answer = dirs[0].answer(&ask)
	}
	if answer == nil {
		d.telling.Add(-1)
		return
	}
	t.later(m.Reply, answer, &d.telling)
}

// listed returns the message that tells what this end serves by a fixed list, or nil if the
// question is not for it. Only the reader calls it.
func (d *directory) listed(ask *wire.Owners) []byte {
	switch {
	case ask.Ask == wire.AskLiving, ask.Ask == wire.AskOne && d.t.table.serving(ask.First, 0) == nil:
		return nil
	case ask.Ask == wire.AskOne:
		return wire.AppendOwners(nil, &wire.Owners{First: ask.First, Owners: []wire.Owner{{Node: d.t.node}}})
	}
	d.makeList()
	return d.bytes
}

// makeList makes the answer about the fixed list anew if the list has changed. Only the reader
// calls it.
func (d *directory) makeList() {
	tb := &d.t.table
	tb.mu.Lock()
	version := tb.version
	if d.bytes != nil && d.told == version {
		tb.mu.Unlock()
		return
	}
	var shards []uint32
	for s := range tb.subs {
		if s.epoch == 0 {
			shards = append(shards, s.shard)
		}
	}
	tb.mu.Unlock()
	slices.Sort(shards)
	d.told, d.runs = version, runsOf(slices.Compact(shards))
	d.bytes = wire.AppendOwners(nil, &wire.Owners{Node: d.t.node, Runs: d.runs})
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

// answer returns the message that names the owners of shards from first on. With many shards it
// takes the reader milliseconds to make, so the message is made once for each change. Only the
// reader calls answer.
func (s *ownersSub) answer(ask *wire.Owners) []byte {
	t, d, l := s.t, &s.t.directory, &s.last
	most := 1
	if ask.Ask != wire.AskOne {
		d.makeList()
		most = min(wire.MaxEpochs, max(0, t.limit()-wire.MaxSeed-5*len(d.runs))/wire.MaxOwner)
	}
	version := s.dir.Version()
	if ask.Ask != wire.AskOne && l.bytes != nil && l.first == ask.First && l.version == version && l.list == d.told {
		return l.bytes
	}
	told := wire.Owners{First: ask.First, Seed: s.dir.Seed()}
	owners, count := s.dir.Owners(ask.First, most)
	told.NumShards = count
	for _, o := range owners {
		told.Owners = append(told.Owners, wire.Owner{Epoch: o.Epoch, Node: o.Address})
	}
	if ask.Ask == wire.AskOne {
		return wire.AppendOwners(nil, &told)
	}
	if len(d.runs) > 0 { // this end has both
		told.Node, told.Runs = t.node, d.runs
	}
	l.first, l.version, l.list, l.bytes = ask.First, version, d.told, wire.AppendOwners(nil, &told)
	return l.bytes
}

// notServed is the error for a shard that this node does not serve in its epoch.
func (d *directory) notServed(shard uint32, epoch uint64) *outcome.Error {
	if epoch == 0 && len(*d.dirs.Load()) == 0 {
		return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", shard)
	}
	return outcome.Errorf(outcome.ErrNotOwner, "the node does not own shard %d in epoch %d", shard, epoch)
}

// ownerOf returns the owner of a shard that this node knows beyond the epoch of a sender.
func (d *directory) ownerOf(shard uint32, epoch uint64) (owner wire.Owner) {
	if r := d.t.owners.Get(shard); r != nil && r.Told() {
		owner = wire.Owner{Epoch: r.Epoch, Node: r.To.Name}
	}
	for _, s := range *d.dirs.Load() {
		if o, _ := s.dir.Owners(shard, 1); len(o) > 0 && o[0].Address != "" && o[0].Epoch >= owner.Epoch {
			owner = wire.Owner{Epoch: o[0].Epoch, Node: o[0].Address}
		}
	}
	if owner.Epoch == epoch {
		return wire.Owner{}
	}
	return owner
}

// announce tells clients of a new owner, or of a node with a fixed list; clients that miss it
// ask.
func (d *directory) announce(told *wire.Owners) {
	d.t.later(d.t.opts.Prefix+".own", wire.AppendOwners(nil, told), nil)
}
