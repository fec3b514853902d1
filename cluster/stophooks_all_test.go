package cluster_test

import (
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/testkit"
)

// TestStopHooksWhenAllNodesEnd: nothing is lost either where all nodes of a cluster end at
// the same moment.
func TestStopHooksWhenAllNodesEnd(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for name, c := range map[string]struct{ nodes, at int }{
			"two": {2, 2}, "three": {3, 3}, "two of three, then one": {3, 2},
		} {
			for _, notify := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, notify %v", name, notify), func(t *testing.T) {
					way{items: 40, at: c.at, notify: notify}.losesNothing(t, kind, true, c.nodes)
				})
			}
		}
	})
}
