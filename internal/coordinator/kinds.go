// Refuses a node of another service

package coordinator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
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
				if ownership.KindsInCommon(m.Kinds, c.opts.Self.Kinds) {
					return nil
				}
				if ref.Name == c.opts.Self.Name && m.State == membership.Leaving {
					continue // the process before this one, which had other kinds
				}
				strangers++
				lease = max(lease, m.Lease())
				if rev, seen := first[e.Key]; seen && rev != e.Rev {
					return c.foreign(ref, m.Kinds)
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

// foreign is the error of a node that another service's members keep out.
func (c *Coordinator) foreign(by membership.Ref, kinds []string) error {
	other := "member " + by.Name
	if by.Name == c.opts.Self.Name {
		other = "the member that has this name already"
	}
	return fmt.Errorf("%w: node %s hosts %s, %s hosts %s: give this service a prefix (a bucket) of its own, or drain all members first",
		membership.ErrForeignKinds, c.opts.Self.Name, named(c.opts.Self.Kinds), other, named(kinds))
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
