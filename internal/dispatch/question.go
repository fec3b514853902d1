// What is asked of a shard's owner about turns, and the answer

package dispatch

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/clstr-go/clstr/outcome"
)

const (
	mostAsked = 64      // turns in a question, each once
	mostEdges = 256     // turns in an answer
	mostWaits = 64      // shards that a turn of an answer waits for
	mostLooks = 4 << 10 // calls that are looked at for an answer
)

// question is what one dispatcher asks another, the owner of a shard: what do turns
// wait for there? It is answered also for a shard that drains or is full. Turns are
// asked for by their numbers, which no client knows. On the wire: a byte that is 1 with
// drains, and each number in 8 bytes.
type question struct {
	numbers []uint64
	drains  bool // a shard that drains adds what its drain waits for
}

func (q question) append(b []byte) []byte {
	flag := byte(0)
	if q.drains {
		flag = 1
	}
	b = append(b, flag)
	for _, n := range q.numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func parseQuestion(b []byte) (q question, err *outcome.Error) {
	if len(b)%8 != 1 || len(b) > 1+8*mostAsked || b[0] > 1 {
		return q, outcome.Errorf(outcome.ErrBadEnvelope, "%d bytes are no question for turns", len(b)).WithOutcome(outcome.NotStarted)
	}
	q.drains = b[0] == 1
	for b = b[1:]; len(b) > 0; b = b[8:] {
		n := binary.LittleEndian.Uint64(b)
		if slices.Contains(q.numbers, n) {
			return q, outcome.Errorf(outcome.ErrBadEnvelope, "a question for turns has one of them twice").WithOutcome(outcome.NotStarted)
		}
		q.numbers = append(q.numbers, n)
	}
	return q, nil
}

// edge says that a turn which was asked about waits for another.
type edge struct {
	about int // the index of the number in the question
	turn  *Turn
	waits []uint32 // the shards that turn waits for
}

// appendAnswer appends edges. On the wire each is: about, the turn's role, shard and
// number, kind and key with their lengths before them, and the shards that it waits for
// with their number before them. Numbers of turns have 8 bytes, all others are varints.
func appendAnswer(b []byte, edges []edge) []byte {
	for _, e := range edges[:min(len(edges), mostEdges)] {
		b = binary.AppendUvarint(b, uint64(e.about))
		b = append(b, byte(e.turn.Role))
		b = binary.AppendUvarint(b, uint64(e.turn.Shard))
		b = binary.LittleEndian.AppendUint64(b, e.turn.Number)
		for _, name := range []string{e.turn.Kind, e.turn.Key} {
			b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		}
		waits := e.waits[:min(len(e.waits), mostWaits)]
		b = binary.AppendUvarint(b, uint64(len(waits)))
		for _, shard := range waits {
			b = binary.AppendUvarint(b, uint64(shard))
		}
	}
	return b
}

// parseAnswer reads the answer to a question about so many turns.
func parseAnswer(b []byte, asked int) (edges []edge, err *outcome.Error) {
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		if len(edges) == mostEdges {
			r.bad = true
			break
		}
		e := edge{about: int(r.uint(uint64(asked) - 1)), turn: &Turn{}}
		e.turn.Role = Role(r.uint(math.MaxUint8))
		e.turn.Shard = uint32(r.uint(math.MaxUint32))
		if n := r.bytes(8); n != nil {
			e.turn.Number = binary.LittleEndian.Uint64(n)
		}
		e.turn.Kind = string(r.bytes(r.uint(MaxTurnName)))
		e.turn.Key = string(r.bytes(r.uint(MaxTurnName)))
		for range r.uint(mostWaits) {
			e.waits = append(e.waits, uint32(r.uint(math.MaxUint32)))
		}
		edges = append(edges, e)
	}
	if r.bad {
		return nil, outcome.Errorf(outcome.ErrBadEnvelope, "%d bytes are no answer about turns", len(b))
	}
	return edges, nil
}

// reader reads numbers and bytes until one is bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}
