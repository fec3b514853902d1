// Overlap: requests that come over two connections, each taken once

package link

import (
	"hash/maphash"

	"github.com/nats-io/nats.go"
)

// overlap is what the reader knows of requests while the end moves. The old connection leads, so the order
// of each sender stays. What has come over the new connection alone waits, until it comes over the old one,
// or until that has gone. All of it is the reader's.
type overlap struct {
	seed  maphash.Seed
	sole  map[uint64]int      // how often a message has come over the old connection alone
	early map[uint64][]*early // by message
	line  []*early            // in order
	ended bool                // the old connection: the line goes on
}

// early is a message that has come over the new connection first.
type early struct{ msg *nats.Msg } // nil: it has come over the old one since

// admits reports whether a message is to be taken now; otherwise it was taken, or waits. Two
// messages with the same reply subject and bytes are the same: each of our senders' has an id. A foreign sender that
// repeats itself without a reply subject may lose some of that.
func (o *overlap) admits(m *nats.Msg, two, old bool) bool {
	if !two && len(o.sole) == 0 {
		return true
	}
	if o.sole == nil {
		o.seed, o.sole, o.early = maphash.MakeSeed(), map[uint64]int{}, map[uint64][]*early{}
	}
	var hash maphash.Hash
	hash.SetSeed(o.seed)
	_, _ = hash.WriteString(m.Reply)
	_ = hash.WriteByte(0)
	_, _ = hash.Write(m.Data)
	h := hash.Sum64()
	switch waits := o.early[h]; {
	case old && len(waits) > 0:
		waits[0].msg = nil
		if o.early[h] = waits[1:]; len(waits) == 1 {
			delete(o.early, h)
		}
		return true
	case old:
		o.sole[h]++
		return true
	case o.sole[h] > 0:
		if o.sole[h]--; o.sole[h] == 0 {
			delete(o.sole, h)
		}
		return false
	case two:
		e := &early{m}
		o.early[h], o.line = append(waits, e), append(o.line, e)
		return false
	}
	return true
}

// cut ends the time of two connections. If the old one has gone, the messages that wait go on. If the
// new one has, they come over the old one.
func (o *overlap) cut(oldGone bool) {
	clear(o.early)
	if o.ended = oldGone; !oldGone {
		o.line = nil
		o.forget()
	}
}

// forget is called when the last copies have come.
func (o *overlap) forget() { o.sole, o.early = nil, nil }
