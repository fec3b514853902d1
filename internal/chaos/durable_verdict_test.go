package chaos

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// judged is a test whose errors are counted.
type judged struct {
	testing.TB
	errors []string
}

func (j *judged) Helper() {}

func (j *judged) Errorf(format string, args ...any) {
	j.errors = append(j.errors, fmt.Sprintf(format, args...))
}

// TestDurableVerdict finds each lie in what callers were told, and none where there is none.
func TestDurableVerdict(t *testing.T) {
	lost := outcome.Errorf(errors.New("lost"), "its reply").WithOutcome(cluster.MaybeRan)
	failed := outcome.Errorf(errors.New("full"), "the store").WithOutcome(cluster.RanAndFailed)
	at := time.Duration(0)
	ask := func(kind, key, op string, n uint64, read string, err error) command {
		at += 2 * time.Second
		return command{kind: kind, key: key, op: op, n: n, read: read, err: err, call: at, done: at + time.Second}
	}
	history := []command{
		ask("tally", "t", "a", 1, "", nil), ask("tally", "t", "b", 2, "", nil), ask("tally", "t", "c", 0, "", lost),
		ask("tally", "t", "f", 0, "", failed),
		ask("register", "r", "x", 0, "", nil), ask("register", "r", "", 0, "x", nil), ask("register", "r", "y", 0, "", nil),
		ask("register", "s", "v", 0, "", nil), ask("register", "s", "w", 0, "", lost),
	}
	type of map[string][]string
	for name, c := range map[string]struct {
		tallies   of
		registers map[string]string
		lie       bool
	}{
		"nothing":                        {of{"t": {"a", "b"}}, nil, false},
		"what may have run has run":      {of{"t": {"a", "b", "c"}}, map[string]string{"s": "w"}, false},
		"an increment is lost":           {of{"t": {"a"}}, nil, true},
		"an increment is there twice":    {of{"t": {"a", "b", "b"}}, nil, true},
		"one in doubt is there twice":    {of{"t": {"a", "b", "c", "c"}}, nil, true},
		"one that failed is there":       {of{"t": {"a", "b", "f"}}, nil, true},
		"increments in another order":    {of{"t": {"b", "a"}}, nil, true},
		"a register's last write":        {of{"t": {"a", "b"}}, map[string]string{"r": "x"}, true},
		"all of a register":              {of{"t": {"a", "b"}}, map[string]string{"r": ""}, true},
		"a register has another's value": {of{"t": {"a", "b"}}, map[string]string{"s": "y"}, true},
	} {
		stored := kept{c.tallies, map[string]string{"r": "y", "s": "v"}}
		maps.Copy(stored.registers, c.registers)
		j := &judged{TB: t}
		checkDurable(j, name, history, stored)
		if lies := len(j.errors) > 0; lies != c.lie {
			t.Errorf("%s: %q", name, j.errors)
		}
	}
}
