package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
)

// onTerminal runs the command as if both of its outputs were a terminal.
func onTerminal(t *testing.T, columns int, env map[string]string, store membership.Store, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	getenv := func(name string) string { return env[name] }
	a := newApp(strings.NewReader(""), &out, &errs, getenv)
	a.outTerm, a.errTerm = makeTerminal(columns, 24, getenv), makeTerminal(columns, 24, getenv)
	a.connect = func(context.Context) (*session, error) {
		return &session{store: store, renewals: preparedAges, close: func() {}}, nil
	}
	exit := a.run(t.Context(), args)
	return result{out.String(), errs.String(), exit}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// fits fails for lines that a terminal would break.
func fits(t *testing.T, columns int, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = line[strings.LastIndexByte(line, '\r')+1:] // drawn over what was before
		line = escapes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns of %d: %s", n, columns, line)
		}
	}
}

// longNames is a cluster as a Deployment of Kubernetes makes it.
func longNames(t *testing.T) *memstore.Store {
	t.Helper()
	store := memstore.New()
	put(t, store, record.ConfigKey, record.NewConfig(demoLayout))
	for i := range 6 {
		ref := record.Ref{Name: fmt.Sprint("payments-settlement-worker-7d9f8b6c5d-x2k4", i), Incarnation: nodeA.Incarnation}
		put(t, store, record.MemberKey(ref), record.Member{State: record.Active, LeaseMs: 10_000, Zone: "europe-west1-b", Version: "2026.11.29-rc1+build.5511"})
		for shard := uint32(i); shard < demoLayout.NumShards; shard += 6 {
			put(t, store, record.ShardKey(shard), record.Shard{Owner: ref, Epoch: 1, Why: record.HandedOver, From: ref, PausedUs: 12_345_678})
		}
	}
	return store
}

// TestNothingBreaksAt80Columns: a terminal that is as narrow as they come shows what
// each command prints, help and failures too, without breaking a line.
func TestNothingBreaksAt80Columns(t *testing.T) {
	long := longNames(t)
	first := "payments-settlement-worker-7d9f8b6c5d-x2k40"
	for _, args := range []string{
		"nodes", "nodes --all", "shards", "shards --node " + first, "shards --node zz", "where user-123", "plan", "plan --remove " + first,
		"plan --add f:0", "where acount user-123", "nodes --no-such-flag", "node", "where", "drain zz", "drain " + first + " --wait 20ms",
		"completion xx", "version", "where " + strings.Repeat("k", 300), "request a b c {N:1}",
	} {
		for _, store := range []membership.Store{prepared(t), long} {
			r := onTerminal(t, 80, nil, store, strings.Fields(args)...)
			fits(t, 80, r.out)
			fits(t, 80, r.err)
		}
	}
	r := onTerminal(t, 60, nil, memstore.New(), "nodes")
	fits(t, 60, r.out+r.err)
	var walk func(cmd *cobra.Command, path ...string)
	walk = func(cmd *cobra.Command, path ...string) {
		r := onTerminal(t, 80, nil, long, append(path, "--help")...)
		if r.exit != 0 || r.out == "" {
			t.Errorf("clstr %q --help: exit code %d, %s", path, r.exit, r.err)
		}
		fits(t, 80, r.out)
		for _, sub := range cmd.Commands() {
			walk(sub, append(path, sub.Name())...)
		}
	}
	walk(newApp(nil, nil, nil, func(string) string { return "" }).root())
}

// What is too wide is broken, not lost.
func TestTableLosesNothing(t *testing.T) {
	r := onTerminal(t, 80, nil, longNames(t), "nodes")
	for i := range 6 {
		name := fmt.Sprint("payments-settlement-worker-7d9f8b6c5d-x2k4", i)
		flat := strings.Join(strings.Fields(escapes.ReplaceAllString(r.out, "")), "")
		for _, part := range strings.SplitAfter(name, "-") {
			if !strings.Contains(flat, part) {
				t.Errorf("%s of %s is not in\n%s", part, name, r.out)
			}
		}
	}
}

// TestColors: they are for terminals that can, and for people who want them.
func TestColors(t *testing.T) {
	for name, c := range map[string]struct {
		env    map[string]string
		colors bool
	}{
		"a terminal": {map[string]string{"TERM": "xterm-256color"}, true},
		"NO_COLOR":   {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		"TERM=dumb":  {map[string]string{"TERM": "dumb"}, false},
	} {
		for _, args := range [][]string{{"nodes"}, {"shards"}, {"where", "user-8"}, {"plan"}, {"drain", "zz"}} {
			r := onTerminal(t, 80, c.env, prepared(t), args...)
			if strings.Contains(r.out+r.err, "\x1b[") != c.colors {
				t.Errorf("%s: clstr %q, colors wanted: %v\n%q", name, args, c.colors, r.out+r.err)
			}
			plain := onTerminal(t, 80, map[string]string{"NO_COLOR": "1"}, prepared(t), args...)
			if escapes.ReplaceAllString(r.out+r.err, "") != plain.out+plain.err {
				t.Errorf("%s: colors change the text of %q", name, args)
			}
		}
		if r := onTerminal(t, 80, c.env, prepared(t), "nodes", "--json"); strings.Contains(r.out, "\x1b") {
			t.Errorf("%s: JSON has colors: %q", name, r.out)
		}
	}
	if r := onStore(t, prepared(t), "nodes"); strings.Contains(r.out, "\x1b") {
		t.Errorf("a pipe gets colors: %q", r.out)
	}
	dumb := makeTerminal(80, 24, func(name string) string { return map[string]string{"TERM": "dumb"}[name] })
	if dumb.moves || dumb.columns != 80 {
		t.Errorf("TERM=dumb: %+v", dumb)
	}
}

// TestTerminalIsNotDriven: what others have written into records and errors does
// nothing to the terminal of the operator who looks at it.
func TestTerminalIsNotDriven(t *testing.T) {
	store := memstore.New()
	put(t, store, record.ConfigKey, record.NewConfig(demoLayout))
	evil := "\x1b[2J\u009b2J\r\nx"
	put(t, store, record.MemberKey(nodeA), record.Member{State: record.Active, Zone: evil, Version: evil, Kinds: []string{evil}})
	for _, args := range [][]string{{"nodes"}, {"where", "k" + evil}, {"where", "kind", "k"}, {"drain", evil}} {
		r := onTerminal(t, 80, map[string]string{"NO_COLOR": "1"}, store, args...)
		if strings.ContainsAny(r.out+r.err, "\x1b\u009b\r") {
			t.Errorf("clstr %q: %q", args, r.out+r.err)
		}
	}
}

// TestDemoFits: its lines, at their longest, on a terminal and in a pipe.
func TestDemoFits(t *testing.T) {
	nodes := []demoNodeJSON{{"a", record.Left, 0}, {"b", record.Dead, 16}, {"c", record.Active, 24}, {"d", record.Active, 24}}
	total := demo.Count{Sent: 48_000, Answered: 46_000, Failed: map[string]int{"maybe ran": 120, "not started": 12}, Longest: 4800 * time.Millisecond}
	fits(t, 80, status(29*time.Second, nodes, total, 1600, 4800*time.Millisecond))
	s := &screen{w: &bytes.Buffer{}, term: makeTerminal(80, 24, func(string) string { return "" }), length: 30 * time.Second}
	for _, what := range []string{demo.Joins, demo.Serves, demo.Drains, demo.Drained, demo.Killed, demo.TakenOver, demo.HasLeft} {
		e := demo.Event{At: 29 * time.Second, What: what, Node: "b", Shards: 16, Took: 12_345_678 * time.Microsecond, Pause: 123_456 * time.Microsecond}
		fits(t, 80, line(e))
		s.events = append(s.events, e)
	}
	lines := s.table(29*time.Second, nodes, total, 1600, 4800*time.Millisecond)
	if len(lines) > 20 {
		t.Errorf("%d lines on a terminal that has 24, of which 3 are above", len(lines))
	}
	fits(t, 80, strings.Join(lines, "\n"))
	s.term.rows = 14
	if short := s.table(29*time.Second, nodes, total, 1600, time.Second); len(short) > 14 {
		t.Errorf("%d lines on a terminal that has 14", len(short))
	}
}
