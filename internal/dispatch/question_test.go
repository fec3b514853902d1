package dispatch

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/outcome"
)

func someEdges(n int) (edges []edge) {
	for i := range n {
		edges = append(edges, edge{i % mostAsked, &Turn{
			Shard: uint32(i), Number: uint64(i) + 1, Role: Role(i % 3), Kind: strings.Repeat("k", i%(MaxTurnName+1)), Key: fmt.Sprint(i),
		}, []uint32{uint32(i), 1<<32 - 1}})
	}
	return edges
}

func TestAnswersAreBounded(t *testing.T) {
	got, err := parseAnswer(appendAnswer(nil, someEdges(mostEdges+10)), mostAsked)
	if err != nil || !reflect.DeepEqual(got, someEdges(mostEdges)) {
		t.Errorf("%d of %d turns: %v", len(got), mostEdges, err)
	}
	long := []edge{{0, &Turn{Number: 1}, make([]uint32, 1000)}}
	if got, err := parseAnswer(appendAnswer(nil, long), 1); err != nil || len(got[0].waits) != mostWaits {
		t.Errorf("%v", err)
	}
	more := append(appendAnswer(nil, someEdges(mostEdges)), appendAnswer(nil, someEdges(1))...)
	for what, b := range map[string][]byte{
		"too many": more, "cut": appendAnswer(nil, someEdges(1))[:9], "about what was not asked": appendAnswer(nil, []edge{{1, &Turn{}, nil}}),
	} {
		if _, err := parseAnswer(b, 1); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for _, n := range []int{0, 2, 8, 10, 1 + 8*(mostAsked+1)} {
		if _, err := parseQuestion(make([]byte, n)); err == nil || err.Outcome != outcome.NotStarted {
			t.Errorf("a question of %d bytes: %v", n, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(appendAnswer(nil, someEdges(3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		edges, err := parseAnswer(b, mostAsked)
		if err != nil {
			return
		}
		again, err := parseAnswer(appendAnswer(nil, edges), mostAsked)
		if err != nil || !reflect.DeepEqual(edges, again) {
			t.Errorf("%v, %v, from %v", err, again, edges)
		}
	})
}

func FuzzParseQuestion(f *testing.F) {
	f.Add(question{numbers: []uint64{1, 1<<64 - 1}, drains: true}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := parseQuestion(b); err == nil && !bytes.Equal(q.append(nil), b) {
			t.Errorf("%x is read as %+v", b, q)
		}
	})
}

// TestQuestionsNameATurnOnce: each costs its search.
func TestQuestionsNameATurnOnce(t *testing.T) {
	for _, numbers := range [][]uint64{{7, 7}, {1, 2, 3, 1}} {
		if q, err := parseQuestion(question{numbers: numbers}.append(nil)); err == nil || err.Outcome != outcome.NotStarted {
			t.Errorf("%v is read as %+v", numbers, q)
		}
	}
	asked := 0
	a := newAsking()
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
