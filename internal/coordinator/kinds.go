// Refuses a node of another service

package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/process"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// others is what a node asks the store about the other members, before it joins.
type others struct {
	self  *ownership.Self
	store members
}

// fits returns [membership.ErrForeignKinds] if there are members that live, and none of them
// hosts a kind of this node. A member whose record does not change for as long as its lease has
// died; a node without a kind in common waits to see that.
func (o others) fits(ctx context.Context) error {
	first := map[string]uint64{} // revisions of the strangers' records, as first seen
	var until time.Time
	var gone absence
	for {
		entries, err := o.members(ctx)
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
				ref, ok := record.ParseMemberKey(e.Key)
				m, err := record.Decode[record.Member](e.Value)
				if !ok || err != nil || m.State == record.Dead || m.State == record.Left || process.Ended(m.Process) {
					continue
				}
				if ownership.KindsInCommon(m.Kinds, o.self.Kinds) {
					return nil
				}
				if ref.Name == o.self.Name && m.State == record.Leaving {
					continue // the process before this one, which had other kinds
				}
				strangers++
				lease = max(lease, m.Lease())
				if rev, seen := first[e.Key]; seen && rev != e.Rev {
					return o.foreign(ref, m.Kinds)
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
func (o others) foreign(by record.Ref, kinds []string) error {
	other := "member " + by.Name
	if by.Name == o.self.Name {
		other = "the member that has this name already"
	}
	return fmt.Errorf("%w: node %s hosts %s, %s hosts %s: give this service a prefix (a bucket) of its own, or drain all members first",
		membership.ErrForeignKinds, o.self.Name, named(o.self.Kinds), other, named(kinds))
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

// outlived reports whether a process with the node's name has joined after this one
// joined at a revision: a node that was declared dead must not oust its successor.
func (o others) outlived(ctx context.Context, born uint64) bool {
	var gone absence
	for ctx.Err() == nil {
		entries, err := o.members(ctx)
		if err == nil {
			return slices.ContainsFunc(entries, func(e membership.Entry) bool {
				ref, ok := record.ParseMemberKey(e.Key)
				if !ok || ref.Name != o.self.Name {
					return false
				}
				m, err := record.Decode[record.Member](e.Value)
				living := m.State == record.Joining || m.State == record.Active
				return err == nil && living && cmp.Or(m.Born, e.Rev) > born
			})
		}
		if gone.certain(err) {
			return false
		}
		pause(ctx, lookAgain)
	}
	return false
}

func (o others) members(ctx context.Context) ([]membership.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	s, err := o.store.snapshot(ctx, record.MemberPrefix)
	return s.entries, err
}
