package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

// registerModel is a register: a write whose outcome is not known may take effect at any time.
var registerModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(at, _, output any) (bool, any) {
		c := output.(command)
		if c.op != "" {
			return true, c.op
		}
		return c.read == at.(string), at
	},
	DescribeOperation: func(_, output any) string {
		c := output.(command)
		return fmt.Sprintf("write %q, read %q: %v", c.op, c.read, c.err)
	},
}

// kept is what is stored, by key: the increments of tallies, and the values of registers.
type kept struct {
	tallies   map[string][]string
	registers map[string]string
}

// checkDurable compares what callers were told with what is stored, once all nodes have ended.
func checkDurable(t testing.TB, name string, history []command, stored kept) *verdict {
	t.Helper()
	v := newVerdict(name, history)
	seen := 0
	for _, c := range history {
		count := 0
		for _, op := range stored.tallies[c.key] {
			if op == c.op && c.kind == "tally" {
				count++
			}
		}
		outcome := cluster.OutcomeOf(c.err)
		switch {
		case c.err == nil:
			v.succeeded(c)
			if at := slices.Index(stored.tallies[c.key], c.op); c.kind == "tally" && (count != 1 || at+1 != int(c.n)) {
				t.Errorf("%s: increment %s of %s was answered with %d, and is stored %d times, as number %d", name, c.op, c.key, c.n, count, at+1)
			}
			if c.read != "" {
				seen++
			}
		case c.op == "":
			v.failedWith(c, outcome, fmt.Errorf("read of %s after %v to %v: %w", c.key, c.call, c.done, c.err))
			continue // a read that failed says nothing
		case outcome == cluster.MaybeRan:
			v.failedWith(c, outcome, fmt.Errorf("%s %s, op %q after %v to %v: %w", c.kind, c.key, c.op, c.call, c.done, c.err))
			if count > 1 {
				t.Errorf("%s: increment %s of %s is stored %d times", name, c.op, c.key, count)
			}
		default:
			v.failedWith(c, outcome, c.err)
			if count != 0 {
				t.Errorf("%s: increment %s of %s is stored %d times, and its caller was told %v: %v", name, c.op, c.key, count, outcome, c.err)
			}
			continue // nothing was kept
		}
		v.happened(c)
	}
	if seen == 0 {
		t.Errorf("%s: no read has seen a write", name)
	}
	for key := range v.registers() { // what is stored is what is read in the end
		at := time.Duration(v.end) - time.Minute
		v.happened(command{kind: "register", key: key, call: at, done: at, read: stored.registers[key]})
	}
	v.linearizable(t, map[string]porcupine.Model{"tally": counterModel, "register": registerModel})
	for key, ops := range stored.tallies {
		sorted := slices.Sorted(slices.Values(ops))
		if len(slices.Compact(sorted)) != len(ops) {
			t.Errorf("%s: an increment of %s is stored twice: %v", name, key, ops)
		}
	}
	return v
}

// registers returns the keys of registers that have a history.
func (v *verdict) registers() map[string]bool {
	keys := map[string]bool{}
	for of := range v.ops {
		if key, is := strings.CutPrefix(of, "register "); is {
			keys[key] = true
		}
	}
	return keys
}

// stored reads all tallies and registers, as a tool does.
func (w *world) stored() kept {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := natsstate.Open(ctx, natsstate.Options{URL: w.url(), Existing: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	found := kept{map[string][]string{}, map[string]string{}}
	scan(w, store, "tally", func(key string, y tally) { found.tallies[key] = y.Ops })
	scan(w, store, "register", func(key string, r register) { found.registers[key] = r.Op })
	return found
}

// scan calls f with each stored state of a kind.
func scan[S any](w *world, store *natsstate.Store, kind string, f func(key string, s S)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for r, more := (state.Range{Kind: kind}), true; more; {
		es, rest, err := store.Scan(ctx, r)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range es {
			var s S
			if err := e.Err; err != nil {
				w.t.Errorf("the record of %s %s: %v", kind, e.Key, err)
			} else if err := json.Unmarshal(e.Record.State, &s); err != nil {
				w.t.Errorf("the state of %s %s: %v", kind, e.Key, err)
			}
			f(e.Key, s)
			r.After = e.Rev
		}
		more = rest
	}
}
