// line: answers that leave a durable key, in their order

package host

import (
	"slices"

	"github.com/clstr-go/clstr/outcome"
)

// line is answers in their order.
type line []*gated

// release lets all answers go. If why is not nil, each call gets it instead of its answer. It is
// called without a lock.
func (l line) release(why *outcome.Error) {
	for _, g := range l {
		g.leave(why)
	}
}

// calls reports whether there is a call, and not only a goroutine that waits for the state to be stored.
func (l line) calls() bool {
	return slices.ContainsFunc(l, func(g *gated) bool { return g.Call != nil })
}
