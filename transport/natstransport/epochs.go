// The node's side of questions about owners: its answers and announcements

package natstransport

import (
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
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

// list is what this end serves by a fixed list, for answers.
type list struct {
	version uint64 // of the list; guarded by t.mu

	// The last answer; the reader's.
	told  uint64 // its version
	runs  []uint32
	bytes []byte
}

// maxAnswers bounds the answers that wait, however often clients ask.
const maxAnswers = 64

// Unsubscribe implements [transport.Subscription]. Questions that the server has sent before it
// knew of the end are still answered, because their clients would wait in vain.
func (s *ownersSub) Unsubscribe() error {
	if all := *s.t.dirs.Load(); len(all) == 1 && all[0] == s {
		s.t.ears.shut(&s.t.ears.who)
	}
	s.t.answers(s, false)
	return nil
}

// answers has the reader answer from s, or no more.
func (t *Transport) answers(s *ownersSub, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(*t.dirs.Load()), func(o *ownersSub) bool { return o == s })
	if yes {
		all = append(all, s)
	}
	t.dirs.Store(&all)
}

// tell answers a question for owners: from the records of a node, or from this end's fixed list. Only
// the reader calls it.
func (t *Transport) tell(m *nats.Msg) {
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
	if t.telling.Add(1) > maxAnswers {
		t.telling.Add(-1)
		t.log.Warn("question for owners is ignored: too many wait for an answer")
		return // the client asks again
	}
	var answer []byte
	if dirs := *t.dirs.Load(); m.Sub.Queue == "" {
		answer = t.listed(&ask)
	} else if len(dirs) > 0 {
		answer = dirs[0].answer(&ask)
	}
	if answer == nil {
		t.telling.Add(-1)
		return
	}
	t.later(m.Reply, answer, &t.telling)
}

// listed returns the message that tells what this end serves by a fixed list, or nil if the
// question is not for it. Only the reader calls it.
func (t *Transport) listed(ask *wire.Owners) []byte {
	switch {
	case ask.Ask == wire.AskLiving, ask.Ask == wire.AskOne && t.serving(ask.First, 0) == nil:
		return nil
	case ask.Ask == wire.AskOne:
		return wire.AppendOwners(nil, &wire.Owners{First: ask.First, Owners: []wire.Owner{{Node: t.node}}})
	}
	t.makeList()
	return t.list.bytes
}

// makeList makes the answer about the fixed list anew if the list has changed. Only the reader
// calls it.
func (t *Transport) makeList() {
	l := &t.list
	t.mu.Lock()
	version := l.version
	if l.bytes != nil && l.told == version {
		t.mu.Unlock()
		return
	}
	var shards []uint32
	for s := range t.subs {
		if s.epoch == 0 {
			shards = append(shards, s.shard)
		}
	}
	t.mu.Unlock()
	slices.Sort(shards)
	l.told, l.runs = version, runsOf(slices.Compact(shards))
	l.bytes = wire.AppendOwners(nil, &wire.Owners{Node: t.node, Runs: l.runs})
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
	t, l := s.t, &s.last
	most := 1
	if ask.Ask != wire.AskOne {
		t.makeList()
		most = min(wire.MaxEpochs, max(0, t.limit()-wire.MaxSeed-5*len(t.list.runs))/wire.MaxOwner)
	}
	version := s.dir.Version()
	if ask.Ask != wire.AskOne && l.bytes != nil && l.first == ask.First && l.version == version && l.list == t.list.told {
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
	if len(t.list.runs) > 0 { // this end has both
		told.Node, told.Runs = t.node, t.list.runs
	}
	l.first, l.version, l.list, l.bytes = ask.First, version, t.list.told, wire.AppendOwners(nil, &told)
	return l.bytes
}

// announce tells clients of a new owner, or of a node with a fixed list; clients that miss it
// ask.
func (t *Transport) announce(told *wire.Owners) {
	t.later(t.opts.Prefix+".own", wire.AppendOwners(nil, told), nil)
}

// task is one of the flusher's.
type task func()

// Run implements pool.Task.
func (f task) Run(pool.Slot) { f() }

// later has the flusher publish a message that no caller waits for. waits, which may be nil, is counted down then.
func (t *Transport) later(subject string, data []byte, waits *atomic.Int32) {
	t.flusher.Go(task(func() {
		if err := t.nc.Load().Publish(subject, data); err != nil {
			t.log.Warn("message was not sent", "subject", subject, "error", err)
		}
		if waits != nil {
			waits.Add(-1)
		}
	}))
}
