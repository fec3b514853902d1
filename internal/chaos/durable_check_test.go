package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
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

// tallyModel is a counter whose increments of unknown outcome may have happened.
var tallyModel = func() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{uint64(0)} },
		Step: func(at, _, output any) []any {
			n := at.(uint64)
			switch c := output.(command); {
			case c.err != nil:
				return []any{n, n + 1}
			case c.n == n+1:
				return []any{c.n}
			}
			return nil
		},
	}
	return m.ToModel()
}()

// checkCommands compares what callers were told with what is stored, once all nodes have ended.
func checkCommands(t *testing.T, name string, history []command, stored map[string][]string) verdict {
	t.Helper()
	v := verdict{name: name, failed: map[cluster.Outcome]int{}, first: map[cluster.Outcome]error{}}
	byKey := map[string][]porcupine.Operation{}
	end := int64(history[len(history)-1].done) + int64(time.Hour)
	for _, c := range history {
		o := porcupine.Operation{Input: c, Output: c, Call: int64(c.call), Return: int64(c.done)}
		count := 0
		for _, op := range stored[c.key] {
			if op == c.op && c.kind == "tally" {
				count++
			}
		}
		outcome := cluster.OutcomeOf(c.err)
		switch {
		case c.err == nil:
			v.ok++
			v.longest = max(v.longest, c.done-c.call)
			if c.kind == "tally" && count != 1 {
				t.Errorf("%s: increment %s of %s was answered with %d and is stored %d times", name, c.op, c.key, c.n, count)
			}
		case c.op == "":
			v.fail(outcome, fmt.Errorf("read of %s after %v to %v: %w", c.key, c.call, c.done, c.err))
			continue // a read that failed says nothing
		case outcome == cluster.MaybeRan:
			v.fail(outcome, fmt.Errorf("%s %s, op %q after %v to %v: %w", c.kind, c.key, c.op, c.call, c.done, c.err))
			o.Return = end
			if count > 1 {
				t.Errorf("%s: increment %s of %s is stored %d times", name, c.op, c.key, count)
			}
		default:
			v.fail(outcome, c.err)
			if count != 0 {
				t.Errorf("%s: increment %s of %s is stored %d times, and its caller was told %v: %v", name, c.op, c.key, count, outcome, c.err)
			}
			continue // nothing was kept
		}
		byKey[c.kind+" "+c.key] = append(byKey[c.kind+" "+c.key], o)
	}
	for key, ops := range byKey {
		model := registerModel
		if ops[0].Input.(command).kind == "tally" {
			model = tallyModel
		}
		switch porcupine.CheckOperationsTimeout(model, ops, time.Minute) {
		case porcupine.Illegal:
			t.Errorf("%s: the history of %s is not linearizable", name, key)
		case porcupine.Unknown:
			t.Errorf("%s: the checker has not come to an end with %s within a minute", name, key)
		}
	}
	for key, ops := range stored {
		sorted := slices.Sorted(slices.Values(ops))
		if len(slices.Compact(sorted)) != len(ops) {
			t.Errorf("%s: an increment of %s is stored twice: %v", name, key, ops)
		}
	}
	return v
}

// stored reads the increments of all tallies, as a tool does.
func (w *world) stored() map[string][]string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := natsstate.Open(ctx, natsstate.Options{URL: w.url(), Existing: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	found := map[string][]string{}
	for r, more := (state.Range{Kind: "tally"}), true; more; {
		var es []state.Entry
		if es, more, err = store.Scan(ctx, r); err != nil {
			w.t.Fatal(err)
		}
		for _, e := range es {
			var y tally
			if err := errorsOf(e, &y); err != nil {
				w.t.Errorf("the record of %s: %v", e.Key, err)
			}
			found[e.Key], r.After = y.Ops, e.Rev
		}
	}
	return found
}

func errorsOf(e state.Entry, y *tally) error {
	if e.Err != nil {
		return e.Err
	}
	return json.Unmarshal(e.Record.State, y)
}
