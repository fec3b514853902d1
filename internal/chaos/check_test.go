package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/clstr-go/clstr/cluster"
)

// verdict is what one run has shown.
type verdict struct {
	name        string
	ok          int
	failed      map[cluster.Outcome]int
	first       map[cluster.Outcome]error
	longest     time.Duration // that a request which succeeded has taken
	activations int
	recovered   time.Duration // until every shard was served again
	bound       time.Duration // that is promised for it; 0: none
}

// model is a counter whose operations of unknown outcome may have happened.
var model = func() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[string][]porcupine.Operation{}
			for _, o := range history {
				key := o.Input.(operation).key
				by[key] = append(by[key], o)
			}
			var parts [][]porcupine.Operation
			for _, p := range by {
				parts = append(parts, p)
			}
			return parts
		},
		Init: func() []any { return []any{uint64(0)} },
		Step: func(state, _, output any) []any {
			n := state.(uint64)
			switch o := output.(operation); {
			case o.err != nil:
				return []any{n, n + 1}
			case o.n == n+1:
				return []any{o.n}
			}
			return nil
		},
		DescribeOperation: func(_, output any) string {
			o := output.(operation)
			return fmt.Sprintf("%s: %d, %v", o.op, o.n, o.err)
		},
	}
	return m.ToModel()
}()

// check compares what callers saw with what nodes ran.
func check(t *testing.T, name string, history []operation, dir string) verdict {
	t.Helper()
	v := verdict{name: name, failed: map[cluster.Outcome]int{}, first: map[cluster.Outcome]error{}}
	ran, activations := turns(t, dir)
	v.activations = activations
	end := int64(history[len(history)-1].done) + int64(time.Hour)
	var checked []porcupine.Operation
	for _, o := range history {
		p := porcupine.Operation{Input: o, Output: o, Call: int64(o.call), Return: int64(o.done)}
		switch outcome := cluster.OutcomeOf(o.err); {
		case o.err == nil:
			v.ok++
			v.longest = max(v.longest, o.done-o.call)
			if ran[o.op] != 1 {
				t.Errorf("%s: operation %s was answered and ran %d times", name, o.op, ran[o.op])
			}
		case outcome.NeverRan():
			v.fail(outcome, o.err)
			if ran[o.op] != 0 {
				t.Errorf("%s: operation %s ran %d times, and its caller was told %v: %v", name, o.op, ran[o.op], outcome, o.err)
			}
			continue
		default:
			v.fail(outcome, o.err)
			p.Return = end
			if ran[o.op] > 1 {
				t.Errorf("%s: operation %s ran %d times", name, o.op, ran[o.op])
			}
		}
		checked = append(checked, p)
	}
	switch porcupine.CheckOperationsTimeout(model, checked, time.Minute) {
	case porcupine.Illegal:
		t.Errorf("%s: the history is not linearizable", name)
	case porcupine.Unknown:
		t.Errorf("%s: the checker has not come to an end within a minute", name)
	}
	return v
}

func (v *verdict) fail(o cluster.Outcome, err error) {
	if v.failed[o]++; v.first[o] == nil {
		v.first[o] = err
	}
}

// turns reads the nodes' logs: how often each operation ran, and how many
// activations there were.
func turns(t *testing.T, dir string) (ran map[string]int, activations int) {
	t.Helper()
	ran = map[string]int{}
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs of nodes in %s: %v", dir, err)
	}
	for _, log := range logs {
		f, err := os.Open(log)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var line turn
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				continue // cut off by a kill
			}
			if line.What == "run" {
				ran[line.Op]++
			} else {
				activations++
			}
		}
		_ = f.Close()
	}
	return ran, activations
}
