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

// checkDurable compares what callers were told with what is stored, once all nodes have ended.
func checkDurable(t *testing.T, name string, history []command, stored map[string][]string) *verdict {
	t.Helper()
	v := newVerdict(name, history)
	seen := 0
	for _, c := range history {
		count := 0
		for _, op := range stored[c.key] {
			if op == c.op && c.kind == "tally" {
				count++
			}
		}
		outcome := cluster.OutcomeOf(c.err)
		switch {
		case c.err == nil:
			v.succeeded(c)
			if c.kind == "tally" && count != 1 {
				t.Errorf("%s: increment %s of %s was answered with %d and is stored %d times", name, c.op, c.key, c.n, count)
			}
			if c.read != "" {
				seen++
			}
		case c.op == "":
			v.failedWith(outcome, fmt.Errorf("read of %s after %v to %v: %w", c.key, c.call, c.done, c.err))
			continue // a read that failed says nothing
		case outcome == cluster.MaybeRan:
			v.failedWith(outcome, fmt.Errorf("%s %s, op %q after %v to %v: %w", c.kind, c.key, c.op, c.call, c.done, c.err))
			if count > 1 {
				t.Errorf("%s: increment %s of %s is stored %d times", name, c.op, c.key, count)
			}
		default:
			v.failedWith(outcome, c.err)
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
	v.linearizable(t, map[string]porcupine.Model{"tally": counterModel, "register": registerModel})
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
