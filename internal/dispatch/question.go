// What is asked of a shard's owner about turns, and the answer

package dispatch

import (
	"encoding/json"
	"slices"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

const (
	mostAsked = 64      // turns in a question, each once
	mostEdges = 256     // turns in an answer
	mostWaits = 64      // shards that a turn of an answer waits for
	mostLooks = 4 << 10 // calls that are looked at for an answer

	mostQuestion = 2 << 10 // bytes of a question
)

// question is what one dispatcher asks another, the owner of a shard: what do turns
// wait for there? It is answered also for a shard that drains or is full. Turns are
// asked for by their numbers, which no client knows. It travels as JSON, as its answer does.
type question struct {
	Numbers []uint64 `json:"numbers"`
	Drains  bool     `json:"drains,omitempty"` // a shard that drains adds what its drain waits for
}

func (q question) encode() []byte {
	b, _ := json.Marshal(q) // which cannot fail
	return b
}

func parseQuestion(b []byte) (q question, err *outcome.Error) {
	if len(b) > mostQuestion || json.Unmarshal(b, &q) != nil || len(q.Numbers) > mostAsked {
		return q, outcome.Errorf(outcome.ErrBadEnvelope, "%d bytes are no question for turns", len(b)).WithOutcome(outcome.NotStarted)
	}
	for i, n := range q.Numbers {
		if slices.Contains(q.Numbers[:i], n) {
			return q, outcome.Errorf(outcome.ErrBadEnvelope, "a question for turns has one of them twice").WithOutcome(outcome.NotStarted)
		}
	}
	return q, nil
}

// edge says that a turn which was asked about waits for another. An answer is edges.
type edge struct {
	About  int       `json:"about"` // the index of the number in the question
	Role   turn.Role `json:"role"`
	Shard  uint32    `json:"shard"`
	Number uint64    `json:"number"`
	Kind   []byte    `json:"kind"` // which need not be text, as the key
	Key    []byte    `json:"key"`
	Waits  []uint32  `json:"waits"` // the shards that the turn waits for
}

func edgeTo(about int, t *Turn) edge {
	waits := t.Asks()
	return edge{about, t.Role, t.Shard, t.Number, []byte(t.Kind), []byte(t.Key), waits[:min(len(waits), mostWaits)]}
}

func (e edge) turn() *Turn {
	return &Turn{Shard: e.Shard, Role: e.Role, Number: e.Number, Kind: string(e.Kind), Key: string(e.Key)}
}

// encodeAnswer returns nothing where there is nothing to say.
func encodeAnswer(edges []edge) []byte {
	if len(edges) == 0 {
		return nil
	}
	b, _ := json.Marshal(edges) // which cannot fail
	return b
}

// parseAnswer reads the answer to a question about so many turns.
func parseAnswer(b []byte, asked int) (edges []edge, err *outcome.Error) {
	bad := len(b) > 0 && json.Unmarshal(b, &edges) != nil || len(edges) > mostEdges
	for _, e := range edges {
		bad = bad || e.About < 0 || e.About >= asked || len(e.Kind) > turn.MaxName || len(e.Key) > turn.MaxName || len(e.Waits) > mostWaits
	}
	if bad {
		return nil, outcome.Errorf(outcome.ErrBadEnvelope, "%d bytes are no answer about turns", len(b))
	}
	return edges, nil
}
