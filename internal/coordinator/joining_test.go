package coordinator

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestWaitIsTold: a node that joins says for how long it takes no shards. If that is because its
// name has died lately, its health says so while it waits, and not longer.
func TestWaitIsTold(t *testing.T) {
	for deaths, want := range []time.Duration{3 * time.Second, 6 * time.Second, 12 * time.Second, 24 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			cl.timing = membership.Timing{Forget: 10 * time.Minute}
			b := cl.start("b")
			time.Sleep(time.Minute)
			for i := range deaths {
				was := record.Ref{Name: "a", Incarnation: fmt.Sprint(i)}
				cl.put(record.MemberKey(was), record.Member{State: record.Dead, Counter: 9, LeaseMs: 10_000})
			}
			var lines strings.Builder
			a := cl.member("a")
			a.log = slog.New(slog.NewTextHandler(&lines, nil))
			cl.run(a, a, 0)
			began := time.Now()
			time.Sleep(want - time.Second)
			why := a.c.Health().Died
			switch {
			case deaths == 0 && why != nil:
				t.Errorf("no death: %v", why)
			case deaths > 0 && (why == nil || !strings.Contains(why.Error(), fmt.Sprintf("deaths of node a in the last 10m0s: %d; it takes no shards for another ", deaths))):
				t.Errorf("%d deaths, after %v: %v", deaths, time.Since(began), why)
			}
			time.Sleep(time.Minute)
			if why := a.c.Health().Died; why != nil {
				t.Errorf("%d deaths, after %v: %v", deaths, time.Since(began), why)
			}
			cl.wantOwners("a", "b")
			end(a, b)
			line := fmt.Sprintf(`msg="the node waits before it takes shards" wait=%v recent_deaths=%d`, want, deaths)
			if said := lines.String(); strings.Count(said, line) != 1 || strings.Count(said, "the node waits") != 1 {
				t.Errorf("want one line %s, of:\n%s", line, said)
			}
		})
	}
}

// TestFirstDoesNotWait: the node that founds a cluster has no wait to speak of.
func TestFirstDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var lines strings.Builder
		a := cl.member("a")
		a.log = slog.New(slog.NewTextHandler(&lines, nil))
		cl.run(a, a, 0)
		time.Sleep(time.Minute)
		end(a)
		if said := lines.String(); strings.Contains(said, "the node waits") || !strings.Contains(said, "joined the cluster") {
			t.Errorf("it says:\n%s", said)
		}
	})
}
