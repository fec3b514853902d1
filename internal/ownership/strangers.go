// A node of another service takes no shard

package ownership

import (
	"slices"

	"github.com/clstr-go/clstr/internal/record"
)

// KindsInCommon reports whether two nodes host one kind both. No kinds at all is a
// handler of messages without one, which is the empty kind beside others.
func KindsInCommon(a, b []string) bool {
	none := []string{""}
	if len(a) == 0 {
		a = none
	}
	if len(b) == 0 {
		b = none
	}
	return slices.ContainsFunc(a, func(kind string) bool { return slices.Contains(b, kind) })
}

// mayTakeShards reports whether the node is of the service that the cluster belongs to.
// Two services that start at the same moment under one prefix do not see each other
// before they have written their records. The store says which record came first: a node
// that has no kind in common with any member before it leaves as soon as it sees one of
// those renew its record. A member that does not is dead, and is waited for. One with the
// node's own name is no exception, because the node would oust it, unless it leaves.
func (j *joining) mayTakeShards() bool {
	if j.self.Past.Rev > 0 {
		return true // it was in the cluster before
	}
	wait := false
	var by record.Ref
	for ref, m := range j.members.which(everyone) {
		switch {
		case ref == j.self.Ref || m.Final() || m.State == "" || m.Born > j.own.record.Born:
		case ref.Name == j.self.Name && m.State == record.Leaving: // the process before this one, whatever it hosts
		case KindsInCommon(m.Kinds, j.self.Kinds):
			if m.State == record.Active { // else it may be a stranger itself, or leave as one
				return true
			}
		case m.rev > m.first && m.found == readable:
			by = ref
		default:
			wait = true
		}
	}
	if !by.IsZero() {
		j.emit(Foreign{By: by, Kinds: j.members.all[by].Kinds})
		j.leaving.leave(0)
	}
	return !wait && by.IsZero()
}

func everyone(record.Ref, *member) bool { return true }
