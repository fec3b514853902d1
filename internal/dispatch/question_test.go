package dispatch

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

func someEdges(n int) (edges []edge) {
	for i := range n {
		edges = append(edges, edge{
			About: i % mostAsked, Role: turn.Role(i % 3), Shard: uint32(i), Number: 1<<64 - 1 - uint64(i),
			Kind: bytes.Repeat([]byte{0xff}, i%(turn.MaxName+1)), Key: []byte{byte(i)}, Waits: []uint32{uint32(i), 1<<32 - 1},
		})
	}
	return edges
}

func TestAnswersAreBounded(t *testing.T) {
	if got, err := parseAnswer(encodeAnswer(someEdges(mostEdges)), mostAsked); err != nil || !reflect.DeepEqual(got, someEdges(mostEdges)) {
		t.Errorf("%d of %d turns: %v", len(got), mostEdges, err)
	}
	long := turn.New(1, turn.Key, "kind", "key", nil)
	defer long.End()
	for shard := range uint32(1000) {
		long.Wait(shard)
	}
	if got, err := parseAnswer(encodeAnswer([]edge{edgeTo(0, long)}), 1); err != nil || len(got[0].Waits) != mostWaits || got[0].turn().String() != long.String() {
		t.Errorf("%+v: %v", got, err)
	}
	for what, b := range map[string][]byte{
		"too many":                 encodeAnswer(someEdges(mostEdges + 1)),
		"cut":                      encodeAnswer(someEdges(1))[:9],
		"about what was not asked": encodeAnswer([]edge{{About: mostAsked}}),
		"about less than nothing":  encodeAnswer([]edge{{About: -1}}),
		"a long name":              encodeAnswer([]edge{{Key: make([]byte, turn.MaxName+1)}}),
		"many shards":              encodeAnswer([]edge{{Waits: make([]uint32, mostWaits+1)}}),
	} {
		if _, err := parseAnswer(b, mostAsked); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	many := question{Numbers: make([]uint64, mostAsked+1)}
	for i := range many.Numbers {
		many.Numbers[i] = uint64(i)
	}
	for _, b := range [][]byte{nil, []byte("1"), []byte(`{"numbers":[-1]}`), many.encode(), bytes.Repeat([]byte(" "), mostQuestion+1)} {
		if _, err := parseQuestion(b); err == nil || err.Outcome != outcome.NotStarted {
			t.Errorf("a question %.80q: %v", b, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(encodeAnswer(someEdges(3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		edges, err := parseAnswer(b, mostAsked)
		if err != nil {
			return
		}
		again, err := parseAnswer(encodeAnswer(edges), mostAsked)
		if err != nil || !reflect.DeepEqual(edges, again) {
			t.Errorf("%v, %v, from %v", err, again, edges)
		}
	})
}

func FuzzParseQuestion(f *testing.F) {
	f.Add(question{Numbers: []uint64{1, 1<<64 - 1}, Drains: true}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := parseQuestion(b); err == nil {
			if again, err := parseQuestion(q.encode()); err != nil || !reflect.DeepEqual(q, again) {
				t.Errorf("%x is read as %+v, then as %+v: %v", b, q, again, err)
			}
		}
	})
}

// TestQuestionsNameATurnOnce: each costs its search.
func TestQuestionsNameATurnOnce(t *testing.T) {
	for _, numbers := range [][]uint64{{7, 7}, {1, 2, 3, 1}} {
		if q, err := parseQuestion(question{Numbers: numbers}.encode()); err == nil || err.Outcome != outcome.NotStarted {
			t.Errorf("%v is read as %+v", numbers, q)
		}
	}
	asked := 0
	a := newAsking(nil)
	a.send = func(_ context.Context, _ uint32, b []byte) ([]byte, error) {
		if _, err := parseQuestion(b); err != nil {
			t.Error(err)
		}
		asked++
		return nil, nil
	}
	twice := &found{Turn: &Turn{Number: 1}, waits: []uint32{5, 5, 6, 6, 6}} // as another node may say
	a.search(t.Context(), []*found{twice, twice}, circleReach, func(*found) bool { return false })
	if asked != 2 {
		t.Errorf("two shards are asked %d times", asked)
	}
}
