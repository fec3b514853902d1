package laws

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// byWallClock are the files of the product that take a time without the monotonic clock's reading, and why a
// clock that is set, forth or back and by a day, does no harm there. What compares or subtracts
// other times goes by the monotonic clock.
var byWallClock = map[string]string{
	"transport/envelope.go": "CreatedAtMs does not travel over NATS, and within a process the TTL goes by the monotonic clock, unless the application " +
		"has set CreatedAtMs itself; then the time that is left is never more than the TTL",
	"internal/expiry/wall.go":               "the same CreatedAtMs: a clock that is set shows a tenth of a second later",
	"internal/standing/lease.go":            "a lease ends by both clocks: a wall clock that jumps forth ends it until it is renewed, as after a suspension, and one that jumps back changes nothing",
	"internal/coordinator/effects.go":       "the moment at which a lease was asked for, for the above",
	"internal/coordinator/agree.go":         "the base of the epochs of a bucket that is made anew, by the store's clock; nodes that remember epochs begin above them, and otherwise the cluster has a new identity",
	"internal/coordinator/incarnation.go":   "a base above the epochs of a bucket that was lost; what the node remembers is a base too",
	"internal/command/command.go":           "a mark in the record that says that there are IDs beside it: it is asked whether it is there, never what time it is",
	"internal/plain/copy.go":                "the times in messages: JSON gives them back without the monotonic clock's reading",
	"state/natsstate/reads.go":              "the server's clock, by which TTLs end; a watch reckons from it how much is left, at most the TTL, and then goes by the monotonic clock",
	"cmd/clstr/state_list.go":               "shown",
	"cmd/clstr/session.go":                  "the server's clock, compared with the server's clock",
	"cmd/clstr/internal/stored/document.go": "shown",
}

// TestWallClock: a new place that goes by the wall clock says why it may.
func TestWallClock(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		if f.test || f.generated || matchesAny("examples/... internal/bench/... transport/transporttest state/statetest", f.pkg) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && takesWallTime(call) {
				seen[f.path] = true
			}
			return true
		})
	}
	if got, want := slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(byWallClock)); !slices.Equal(got, want) {
		t.Errorf("files that go by the wall clock:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// takesWallTime reports whether a call makes a time without the monotonic clock's reading, or a number of one.
func takesWallTime(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, _ := f.X.(*ast.Ident)
	switch name := f.Sel.Name; name {
	case "Parse", "Date", "ParseInLocation":
		return from != nil && from.Name == "time"
	case "Unix", "UnixNano", "UnixMilli", "UnixMicro", "UTC", "Local":
		return true
	case "Round":
		zero, ok := call.Args[0].(*ast.BasicLit)
		return ok && zero.Value == "0"
	}
	return false
}
