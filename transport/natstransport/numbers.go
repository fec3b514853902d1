// Notifications that come one behind the other: the gaps among them

package natstransport

// remembered is how many of a peer's numbers are remembered: more than are on their way.
const remembered = 1 << 16

// numbers are the newest numbers of a peer's notifications that were accepted. A notification that is to
// come behind another is accepted only if this process has accepted the other. So it overtakes none, whether the
// other was refused, went to another node, or never came. Only the reader uses them.
type numbers struct {
	accepted []uint64 // bits, in a ring; nil before the first
	highest  uint64
}

// add notes that the notification with a number was accepted.
func (ns *numbers) add(n uint64) {
	if ns.accepted == nil {
		ns.accepted = make([]uint64, remembered/64)
	}
	for word := ns.highest/64 + 1; n > ns.highest && word <= n/64; word++ {
		if n/64-word >= remembered/64 { // it would be cleared again
			word = n/64 - remembered/64 + 1
		}
		ns.accepted[word%(remembered/64)] = 0
	}
	ns.highest = max(ns.highest, n)
	if ns.knows(n) {
		ns.accepted[n/64%(remembered/64)] |= 1 << (n % 64)
	}
}

// has reports whether the notification with a number was accepted. It may have forgotten it.
func (ns *numbers) has(n uint64) bool {
	return ns.accepted != nil && n <= ns.highest && ns.knows(n) && ns.accepted[n/64%(remembered/64)]&(1<<(n%64)) != 0
}

// knows reports whether a number is new enough.
func (ns *numbers) knows(n uint64) bool { return n/64+remembered/64 > ns.highest/64 }
