package chaos

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/clstr-go/clstr/cluster"
)

// check compares what callers saw with what nodes ran.
func check(t *testing.T, name string, history []command, dir string) *verdict {
	t.Helper()
	v := newVerdict(name, history)
	ran := v.turns(t, dir)
	for _, c := range history {
		switch outcome := cluster.OutcomeOf(c.err); {
		case c.err == nil:
			v.succeeded(c)
			if ran[c.op] != 1 {
				t.Errorf("%s: operation %s was answered and ran %d times", name, c.op, ran[c.op])
			}
		case outcome.NeverRan():
			v.failedWith(c, outcome, c.err)
			if ran[c.op] != 0 {
				t.Errorf("%s: operation %s ran %d times, and its caller was told %v: %v", name, c.op, ran[c.op], outcome, c.err)
			}
			continue
		default:
			v.failedWith(c, outcome, c.err)
			if ran[c.op] > 1 {
				t.Errorf("%s: operation %s ran %d times", name, c.op, ran[c.op])
			}
		}
		v.happened(c)
	}
	v.linearizable(t, map[string]porcupine.Model{"counter": counterModel})
	return v
}

// turns reads the nodes' logs: how often each operation ran, and how many activations and ends of leases
// there were.
func (v *verdict) turns(t *testing.T, dir string) (ran map[string]int) {
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
			switch line.What {
			case runs:
				ran[line.Op]++
			case activated:
				v.activations++
			case leaseEnded:
				v.leases = append(v.leases, filepath.Base(log))
			}
		}
		_ = f.Close()
	}
	return ran
}
