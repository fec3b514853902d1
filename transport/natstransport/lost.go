// Lost calls: each node is asked for calls that it does not know

package natstransport

import (
	"encoding/binary"
	"iter"

	"github.com/clstr-go/clstr/internal/expiry"
)

// A question to a node whether it lives names calls that wait for the node. Its answer names those of them that the node
// does not know. The question goes behind the requests, and the answer behind the replies. So if the caller still
// waits, the request or its reply was lost.
//
// A question or an answer may overtake what was sent over an earlier connection. So an end whose connection has
// changed a moment ago names no calls, and a call ends only when two answers have named it.
const (
	// lookEvery is how often the calls are looked at. Those that waited at the last look too are named.
	lookEvery = askAfter * pulse
	// maxNamed is how many bytes of ids are named at most: some 4,000 calls.
	maxNamed = 16 << 10
)

// waiting returns the ids of calls that wait for a node, if they were looked at since it was last called.
func (cs *calls) waiting(v *vigil) (ids []byte) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if now := expiry.Now(); now >= cs.looked+int64(lookEvery) {
		for id, c := range cs.open.All() {
			if to := &c.to.To.vigil; id <= cs.before && len(to.waits) <= maxNamed-binary.MaxVarintLen64 {
				to.waits = binary.AppendUvarint(to.waits, id)
			}
		}
		cs.looked, cs.before = now, cs.last
	}
	ids, v.waits = v.waits, nil
	return ids
}

// lost removes those of a node's calls that the answer to a question has named, if an earlier answer has, too.
func (cs *calls) lost(to *nodeBox, question uint64, named []byte) (lost []*call) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id := range readIDs(named) {
		switch c := cs.open.Get(id); {
		case c == nil || c.to.To != to || c.unknown == question:
		case c.unknown == 0:
			c.unknown = question
		default:
			cs.delete(c)
			lost = append(lost, c)
		}
	}
	return lost
}

// unknown returns those ids of calls that are not open here.
func (p *peer) unknown(named []byte) (ids []byte) {
	if len(named) == 0 || !p.t.link.Settled() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range readIDs(named) {
		if _, open := p.calls.Get(id); !open {
			ids = binary.AppendUvarint(ids, id)
		}
	}
	return ids
}

// readIDs yields no more ids than a question names.
func readIDs(b []byte) iter.Seq[uint64] {
	b = b[:min(len(b), maxNamed)]
	return func(yield func(uint64) bool) {
		for id, n := binary.Uvarint(b); n > 0 && yield(id); id, n = binary.Uvarint(b) {
			b = b[n:]
		}
	}
}
