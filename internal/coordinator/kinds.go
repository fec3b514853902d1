package coordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// fits returns [membership.ErrForeignKinds] if there are members that live, and none
// hosts a kind that this node does. The record of a member that has died shows no
// life for as long as its lease; only then a node without a kind in common waits.
func (c *Coordinator) fits(ctx context.Context) error {
	first := map[string]uint64{} // revisions of the strangers' records, as first seen
	var until time.Time
	var gone absence
	for {
		entries, _, err := c.snapshotOfMembers(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if gone.certain(err) {
			return nil // nor any members
		}
		if err == nil {
			var lease time.Duration
			strangers := 0
			for _, e := range entries {
				ref, ok := membership.ParseMemberKey(e.Key)
				m, err := membership.Decode[membership.Member](e.Value)
				if !ok || err != nil || m.State == membership.Dead || m.State == membership.Left {
					continue
				}
				if ref.Name == c.opts.Self.Name || inCommon(m.Kinds, c.opts.Self.Kinds) {
					return nil
				}
				strangers++
				lease = max(lease, m.Lease())
				if rev, seen := first[e.Key]; seen && rev != e.Rev {
					return fmt.Errorf("%w: node %s hosts %s, member %s hosts %s: give this service a prefix (a bucket) of its own, or drain all members first",
						membership.ErrForeignKinds, c.opts.Self.Name, named(c.opts.Self.Kinds), ref.Name, named(m.Kinds))
				} else if !seen {
					first[e.Key] = e.Rev
				}
			}
			if strangers == 0 {
				return nil
			}
			if until.IsZero() {
				until = time.Now().Add(lease + lease/2)
			}
			if time.Now().After(until) {
				return nil // they are dead
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// inCommon reports whether two nodes host one kind both. No kinds at all is a handler
// of messages without one, which is the empty kind beside others.
func inCommon(a, b []string) bool {
	none := []string{""}
	if len(a) == 0 {
		a = none
	}
	if len(b) == 0 {
		b = none
	}
	return slices.ContainsFunc(a, func(kind string) bool { return slices.Contains(b, kind) })
}

func named(kinds []string) string {
	if len(kinds) == 0 {
		return "messages without a kind"
	}
	if more := len(kinds) - 8; more > 0 {
		return fmt.Sprintf("%q and %d more", kinds[:8], more)
	}
	return strings.Trim(fmt.Sprintf("%q", kinds), "[]")
}
