package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// meanwhile is a node that does something while it asks others what they own.
type meanwhile struct {
	*member
	served func() []uint64
}

func (m meanwhile) Served(context.Context) []uint64 { return m.served() }

// TestTwoNodesStartAtOnce: a node that finds no configuration asks what others own. Where
// another founds the cluster during that question, nothing is lost, and nothing is warned of.
func TestTwoNodesStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var lines strings.Builder
		var a *member
		b := cl.member("b")
		b.log = slog.New(slog.NewTextHandler(&lines, nil))
		cl.run(b, meanwhile{b, func() []uint64 {
			if a == nil {
				a = cl.start("a")
				time.Sleep(5 * time.Second)
			}
			cl.mu.Lock()
			defer cl.mu.Unlock()
			return slices.Clone(a.routes)
		}}, 0)
		time.Sleep(time.Minute)
		cl.wantOwners("a", "b")
		end(a, b)
		if strings.Contains(lines.String(), "level=WARN") {
			t.Errorf("it warns:\n%s", &lines)
		}
	})
}

// TestReadyIsLogged: each node says that it joins, that it has joined, and once that it serves all shards that it should, and
// how many. The second waits before it takes any.
func TestReadyIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var members []*member
		lines := map[string]*strings.Builder{}
		for _, name := range []string{"a", "b"} {
			m := cl.member(name)
			lines[name] = &strings.Builder{}
			m.log = slog.New(slog.NewTextHandler(lines[name], nil))
			cl.run(m, m, 0)
			members = append(members, m)
			time.Sleep(time.Minute)
		}
		cl.wantOwners("a", "b")
		end(members...)
		for name, l := range lines {
			s := l.String()
			joining, joined, ready := strings.Index(s, "joining the cluster"), strings.Index(s, "joined the cluster"), strings.Index(s, `msg="node is ready" shards=`)
			if joining < 0 || joined < joining || ready < joined || strings.Count(s, "node is ready") != 1 || name == "a" && !strings.Contains(s, fmt.Sprint("shards=", shards)) {
				t.Errorf("%s says:\n%s", name, s)
			}
		}
	})
}
