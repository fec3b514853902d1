// Notifications that come one behind the other: the gaps among them

package natstransport

// remembered is how many of a peer's numbers are remembered: more than are on their way.
const remembered = 1 << 16

// fewWords is how many words a peer's memory begins with, so that a peer with one notification costs little.
const fewWords = 16

// numbers are the newest numbers of a peer's notifications that were accepted. A notification that is to
// come behind another is accepted only if this process has accepted the other. So it overtakes none, whether the
// other was refused, went to another node, or never came. Only the reader uses them.
type numbers struct {
	accepted []uint64 // bits, in a ring, which grows up to remembered; nil before the first
	highest  uint64
}

// add notes that the notification with a number was accepted.
func (ns *numbers) add(n uint64) {
	if ns.accepted == nil {
		ns.accepted = make([]uint64, fewWords)
	}
	for ns.size() < remembered/64 && ns.forgets(n/64) {
		ns.grow()
	}
	for word := ns.highest/64 + 1; n > ns.highest && word <= n/64; word++ {
		if n/64-word >= ns.size() { // it would be cleared again
			word = n/64 - ns.size() + 1
		}
		ns.accepted[ns.at(word)] = 0
	}
	ns.highest = max(ns.highest, n)
	if ns.knows(n) {
		ns.accepted[ns.at(n/64)] |= 1 << (n % 64)
	}
}

func (ns *numbers) size() uint64 { return uint64(len(ns.accepted)) }

// at is the place of a word in the ring, whose size is a power of two.
func (ns *numbers) at(word uint64) uint64 { return word & (ns.size() - 1) }

// forgets reports whether a number in this word has no room beside those that a larger ring would remember.
func (ns *numbers) forgets(word uint64) bool {
	newest := ns.highest / 64
	if word <= newest {
		return word+ns.size() <= newest && word+remembered/64 > newest // too old for this ring
	}
	for i := range min(ns.size(), newest+1) { // what is there, the newest first
		if old := newest - i; old+remembered/64 <= word {
			return false
		} else if old+ns.size() <= word && ns.accepted[ns.at(old)] != 0 {
			return true
		}
	}
	return false
}

// grow doubles the ring.
func (ns *numbers) grow() {
	larger, newest := make([]uint64, 2*ns.size()), ns.highest/64
	for i := range min(ns.size(), newest+1) {
		word := newest - i
		larger[word%uint64(len(larger))] = ns.accepted[ns.at(word)]
	}
	ns.accepted = larger
}

// has reports whether the notification with a number was accepted. It may have forgotten it.
func (ns *numbers) has(n uint64) bool {
	return ns.accepted != nil && n <= ns.highest && ns.knows(n) && ns.accepted[ns.at(n/64)]&(1<<(n%64)) != 0
}

// knows reports whether a number is new enough.
func (ns *numbers) knows(n uint64) bool { return n/64+ns.size() > ns.highest/64 }
