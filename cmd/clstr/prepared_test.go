package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

var update = flag.Bool("update", false, "write the golden files anew")

// result is what a run of the command has left.
type result struct {
	out, err string
	exit     int
}

// command runs the command in this process, with an environment of its own.
func command(t *testing.T, env map[string]string, connect func(context.Context) (*session, error), args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(`{"N": 7}`), &out, &errs, func(name string) string { return env[name] })
	if connect != nil {
		a.connect = connect
		a.now = func() time.Time { return time.Unix(0, 0) }
	}
	exit := a.run(t.Context(), args)
	return result{out.String(), errs.String(), exit}
}

// onStore runs it on records that the test has written.
func onStore(t *testing.T, store membership.Store, args ...string) result {
	t.Helper()
	return command(t, nil, func(context.Context) (*session, error) {
		return &session{store: store, renewals: preparedAges, close: func() {}}, nil
	}, args...)
}

var demoLayout = sharding.Layout{NumShards: demo.NumShards}

// The members of the prepared store.
var (
	nodeA = record.Ref{Name: "a", Incarnation: "3f9c2a1b77d04e5f8a6b1c2d3e4f5a6b"}
	nodeB = record.Ref{Name: "b", Incarnation: "81d0e6f2a4b84c1d9e0f7a6b5c4d3e2f"}
	nodeC = record.Ref{Name: "c", Incarnation: "c07a5d9e13f24b68a1c3e5f7092b4d6f"}
	nodeD = record.Ref{Name: "d", Incarnation: "5e1b9c4407aa4d2b8f6e3c1a9b8d7f60"}
	nodeE = record.Ref{Name: "e", Incarnation: "e92f01ab6c8d4e7fb1a2c3d4e5f60718"}
	oldA  = record.Ref{Name: "a", Incarnation: "0a1b2c3d4e5f60718293a4b5c6d7e8f9"}
)

// prepared makes records of a cluster with something of everything: it has lost
// d, which still owns shards, e has left, and c, which is twice as large, has not
// yet got all that it should have.
func prepared(t *testing.T) *memstore.Store {
	t.Helper()
	store := memstore.New()
	layout := sharding.Layout{NumShards: 16}
	put(t, store, record.ConfigKey, record.NewConfig(layout))
	member := func(ref record.Ref, m record.Member) {
		m.LeaseMs, m.Layout, m.Kinds = 10_000, "b37a1c22d0e94f58", []string{"account", "order"}
		if ref == nodeA { // an older version of the program
			m.Kinds = m.Kinds[:1]
		}
		put(t, store, record.MemberKey(ref), m)
	}
	member(oldA, record.Member{State: record.Left, Counter: 811, Born: 2, Zone: "eu-1", Version: "1.4.1"})
	member(nodeA, record.Member{State: record.Active, Counter: 52, Born: 3, Zone: "eu-1", Version: "1.4.2"})
	member(nodeB, record.Member{State: record.Active, Counter: 47, Zone: "eu-2", Version: "1.4.2"})
	member(nodeC, record.Member{State: record.Active, Counter: 9, Zone: "eu-3", Version: "1.4.2", Weight: 2})
	member(nodeD, record.Member{State: record.Dead, Counter: 33, Zone: "eu-3", Version: "1.4.2", By: nodeA})
	member(nodeE, record.Member{State: record.Left, Counter: 12, Zone: "eu-2", Version: "1.4.2"})
	before, err := sharding.NewAssignment(layout, []string{"a", "b", "d"})
	if err != nil {
		t.Fatal(err)
	}
	after, err := sharding.NewAssignment(layout, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	after.Join("c", 2)
	refs := map[string]record.Ref{"a": nodeA, "b": nodeB, "c": nodeC, "d": nodeD}
	moving := 0
	for shard := range layout.NumShards {
		from, _ := before.Owner(shard)
		to, _ := after.Owner(shard)
		rec := record.Shard{Owner: refs[from], Count: 1, Why: record.Claimed}
		if from != to && from != "d" { // one has not moved yet
			if moving++; moving > 1 {
				rec = record.Shard{Owner: refs[to], Count: 2, Why: record.HandedOver, From: refs[from], PausedUs: 180 + 61*int64(shard)}
			}
		}
		if from == "d" && to == "a" { // a was fast
			rec = record.Shard{Owner: refs[to], Count: 2, Why: record.Claimed, From: nodeD}
		}
		put(t, store, record.ShardKey(shard), rec)
	}
	return store
}

func put(t *testing.T, store membership.Store, key string, record any) {
	t.Helper()
	value, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	e, err := store.Read(t.Context(), key)
	if err == nil {
		_, err = store.Write(t.Context(), key, e.Rev, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func preparedAges(context.Context) (map[string]time.Duration, error) {
	return map[string]time.Duration{
		record.MemberKey(nodeA): 812 * time.Millisecond,
		record.MemberKey(nodeB): 1430 * time.Millisecond,
		record.MemberKey(nodeC): 95 * time.Millisecond,
		record.MemberKey(nodeD): 14 * time.Second,
	}, nil
}

// golden compares with a file, which holds what was printed to both.
func golden(t *testing.T, name string, r result) {
	t.Helper()
	got := r.out
	if r.err != "" {
		got += "--- standard error, exit code " + number(r.exit) + "\n" + r.err
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (if that is meant: go test ./cmd/clstr -update):\ngot\n%s\nwant\n%s", file, got, want)
	}
}

// TestGolden: tables, JSON and errors, of records that do not change.
func TestGolden(t *testing.T) {
	for name, args := range map[string]string{
		"nodes":             "nodes",
		"nodes-all":         "nodes --all",
		"nodes-json":        "nodes --json",
		"shards":            "shards",
		"shards-node":       "shards --node d",
		"shards-json":       "shards --node d --json",
		"shards-unknown":    "shards --node zz",
		"where":             "where user-123",
		"where-json":        "where user-123 --json",
		"where-moving":      "where user-8",
		"where-moved":       "where user-19",
		"where-dead":        "where user-5",
		"where-kind":        "where account user-19",
		"where-kind-not":    "where order user-8",
		"where-kind-json":   "where order user-8 --json",
		"where-kind-none":   "where acount user-8",
		"plan":              "plan",
		"plan-remove":       "plan --remove a",
		"plan-add":          "plan --add f:3 --add g",
		"plan-json":         "plan --remove b --json",
		"plan-all":          "plan --remove a --remove b --remove c",
		"plan-there":        "plan --add a",
		"plan-twice":        "plan --add f --add f:2",
		"plan-weight":       "plan --add f:0",
		"plan-name":         "plan --add f.1",
		"plan-unknown-json": "plan --remove zz --json",
		"drain-unknown":     "drain zz",
		"drain-dead":        "drain d",
		"drain-left":        "drain e",
		"drain-ask":         "drain b --wait 0",
		"drain-ask-json":    "drain c --wait 0 --json",
		"drain-unfinished":  "drain b --wait 20ms",
		"usage-flag":        "nodes --no-such-flag",
		"usage-command":     "node",
		"usage-args":        "where",
		"usage-timeout":     "nodes --timeout 0",
		"usage-key":         "where |",
		"usage-completion":  "completion xx",
		"usage-help":        "help nope",
		"usage-help-more":   "help nodes more",
		"usage-version":     "version now",
		"help":              "help",
		"help-nodes":        "help nodes",
		"help-shards":       "help shards",
		"help-where":        "help where",
		"help-plan":         "help plan",
		"help-demo":         "help demo",
		"help-notify":       "help notify",
		"help-completion":   "completion",
		"help-drain":        "help drain",
		"help-request":      "request --help",
		"help-exit-codes":   "help exit-codes",
		"help-connection":   "help connection",
	} {
		t.Run(name, func(t *testing.T) {
			fields := strings.Fields(args)
			for i, f := range fields {
				if f == "|" {
					fields[i] = ""
				}
			}
			golden(t, name, onStore(t, prepared(t), fields...))
		})
	}
}

// TestEmptyStores: what is not there is said.
func TestEmptyStores(t *testing.T) {
	empty := memstore.New()
	golden(t, "empty", onStore(t, empty, "nodes"))
	put(t, empty, record.ConfigKey, record.NewConfig(sharding.Layout{NumShards: 2}))
	golden(t, "nobody", onStore(t, empty, "where", "user-123"))
	golden(t, "nobody-plan", onStore(t, empty, "plan", "--add", "a"))
	other := memstore.New()
	put(t, other, record.ConfigKey, record.Config{Version: 2, NumShards: 2, Hash: "another"})
	golden(t, "newer", onStore(t, other, "nodes"))
}

// TestDrainInterrupted: Ctrl-C ends the watching, and says that the node goes on.
func TestDrainInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var told strings.Builder
	a := newApp(strings.NewReader(""), writer(func([]byte) {}), writer(func(b []byte) {
		told.Write(b)
		interrupt() // at the first sign of progress
	}), func(string) string { return "" })
	store := prepared(t)
	a.connect = func(context.Context) (*session, error) { return &session{store: store, close: func() {}}, nil }
	if exit := a.run(ctx, []string{"drain", "b"}); exit != exitFailure || !strings.Contains(told.String(), "interrupted: node b goes on leaving") {
		t.Errorf("exit code %d: %s", exit, told.String())
	}
}
