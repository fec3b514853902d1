// Questions about owners that come to this end, and its announcements

package natstransport

import (
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport/natstransport/internal/serving"
)

// ownersSub answers questions for owners from the records of a node.
type ownersSub struct {
	t       *Transport
	records serving.Records
}

// Unsubscribe implements [transport.Subscription]. Questions that the server has sent before it
// knew of the end are still answered, because their clients would wait in vain.
func (s *ownersSub) Unsubscribe() error {
	if s.t.directory.Alone(&s.records) {
		s.t.link.Shut(&s.t.ears.who)
	}
	s.t.directory.Use(&s.records, false)
	return nil
}

// maxAnswers bounds the answers that wait, however often clients ask.
const maxAnswers = 64

// tell answers a question for owners: from the records of a node, or from this end's fixed list. Only
// the reader calls it.
func (r *router) tell(m *nats.Msg) {
	t := r.t
	if !t.link.IsInbox(m.Reply) {
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
	if r.telling.Add(1) > maxAnswers {
		r.telling.Add(-1)
		t.log.Warn("question for owners is ignored: too many wait for an answer")
		return // the client asks again
	}
	var answer []byte
	if m.Sub.Queue == "" {
		answer = t.directory.Listed(&ask)
	} else {
		answer = t.directory.Recorded(&ask, t.limit())
	}
	if answer == nil {
		r.telling.Add(-1)
		return
	}
	t.later(m.Reply, answer, &r.telling)
}

// ownerOf returns the owner of a shard that this node knows beyond the epoch of a sender.
func (r *router) ownerOf(shard uint32, epoch uint64) (owner wire.Owner) {
	if known := r.Get(shard); known != nil && known.Told() {
		owner = wire.Owner{Epoch: known.Epoch, Node: known.To.Name}
	}
	if owner = r.t.directory.Owner(shard, owner); owner.Epoch == epoch {
		return wire.Owner{}
	}
	return owner
}

// announce tells clients of a new owner, or of a node with a fixed list; clients that miss it
// ask.
func (r *router) announce(told *wire.Owners) {
	r.t.later(r.t.opts.Prefix+".own", wire.AppendOwners(nil, told), nil)
}
