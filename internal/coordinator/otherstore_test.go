package coordinator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/membership"
)

var _ finder = (*member)(nil)

// Serves implements finder.
func (m *member) Serves(context.Context, []uint64) string { return m.cl.otherServes }

// TestStoreOfAnotherPrefix: a node that finds no records, and hears of owners that go on
// serving after every lease has ended, founds no cluster beside theirs. If those owners
// serve no more, their store was lost, and the node founds the cluster anew.
func TestStoreOfAnotherPrefix(t *testing.T) {
	for _, serves := range []string{"a", ""} {
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			cl.othersOwn, cl.otherServes = true, serves
			began := time.Now()
			b := cl.start("b")
			if serves == "" {
				time.Sleep(time.Minute)
				cl.wantOwners("b")
				b.stop()
				b.wantEnd(nil)
				return
			}
			err := <-b.ended
			if !errors.Is(err, membership.ErrOtherStore) || !strings.Contains(err.Error(), "node b") || !strings.Contains(err.Error(), "node a") || !strings.Contains(err.Error(), "natstransport.Options.Prefix") {
				t.Errorf("it ended with %v", err)
			}
			if waited := time.Since(began); waited < membership.CalmTiming.Lease+membership.CalmTiming.Delta {
				t.Errorf("it was refused after %v: the store may be lost", waited)
			}
			if e, err := cl.store.Read(t.Context(), membership.ConfigKey); err != nil || e.Rev != 0 {
				t.Errorf("the configuration is %s, %v", e.Value, err)
			}
		})
	}
}
