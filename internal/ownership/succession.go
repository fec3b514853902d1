// Taking over from an earlier process of the same name that has ended

package ownership

import "github.com/clstr-go/clstr/internal/record"

// A node that dies keeps its shards until its lease has ended, because it might still live. If the node is
// started again on the same machine, the new process can look whether the old one has ended: the record says which
// process that was. If it has, nothing of it serves, whatever its lease says. So the
// next process takes shards without the wait of a node that joins, and then declares the earlier one
// dead and claims its shards. The order matters: if the earlier one were dead first, other
// members would claim them.
//
// A process that is started and dies again and again waits like any node that joins, and its
// shards go to the others meanwhile.

// atOnce is how many deaths under the node's name may be recent before a restart waits.
const atOnce = 3

// succession follows the earlier processes of the node.
type succession struct {
	*operations
	own     *own
	members *members
	deaths  *deaths
	joining *joining
}

// examine asks which of the earlier processes that this one can see have ended.
func (s *succession) examine() {
	if !s.members.some(s.mayHaveEnded) {
		return
	}
	for ref, m := range s.members.which(s.mayHaveEnded) {
		s.emit(Examine{ref, m.Process})
	}
}

func (s *succession) mayHaveEnded(ref record.Ref, m *member) bool {
	return ref.Name == s.self.Name && ref != s.self.Ref && !m.Final() && !m.ended && s.self.Process.Near(m.Process)
}

// hasEnded is told that the process of an earlier life of the node has ended.
func (s *succession) hasEnded(ref record.Ref) {
	m := s.members.all[ref]
	if m == nil || !s.mayHaveEnded(ref, m) {
		return
	}
	m.ended = true
	if m.State == record.Active && s.recentDeaths() < atOnce {
		m.heir = true
		s.joining.hurry()
	}
	s.declare()
}

func (s *succession) recentDeaths() (n int) {
	for ref, m := range s.members.all {
		n += btoi(ref.Name == s.self.Name && m.State == record.Dead)
	}
	return n
}

// declare declares earlier processes dead that have ended. If this node is to take the shards of one, it declares that
// one dead only when it may take shards.
func (s *succession) declare() {
	if !s.own.valid() {
		return
	}
	due := func(_ record.Ref, m *member) bool {
		return m.ended && !m.Final() && !m.accusing && (!m.heir || s.own.state == record.Active)
	}
	if !s.members.some(due) {
		return
	}
	for ref, m := range s.members.which(due) {
		s.deaths.accuse(ref, m)
	}
}
