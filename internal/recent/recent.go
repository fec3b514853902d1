// A set of the newest of rising numbers

// Package recent remembers which of some numbers it was given, as long as they are new: a number is forgotten when
// one has come that is 65,536 higher. Numbers may come in any order. Memory grows with the distance of those that come,
// to 8 KiB.
//
//	var seen recent.Set // empty, and ready to use
//	seen.Add(7)
//	seen.Has(7)
//
// The tests are in recent_test.go.
package recent

// remembered is how many numbers a set spans at most.
const remembered = 1 << 16

// fewWords is how many words a set begins with, so that one number costs little.
const fewWords = 16

// Set has the newest of some numbers. The zero value is empty. It is not safe for concurrent use.
type Set struct {
	words   []uint64 // bits, in a ring, which grows up to remembered; nil before the first
	highest uint64
}

// Add adds a number. It may forget old ones.
func (s *Set) Add(n uint64) {
	if s.words == nil {
		s.words = make([]uint64, fewWords)
	}
	for s.size() < remembered/64 && s.forgets(n/64) {
		s.grow()
	}
	for word := s.highest/64 + 1; n > s.highest && word <= n/64; word++ {
		if n/64-word >= s.size() { // it would be cleared again
			word = n/64 - s.size() + 1
		}
		s.words[s.at(word)] = 0
	}
	s.highest = max(s.highest, n)
	if s.knows(n) {
		s.words[s.at(n/64)] |= 1 << (n % 64)
	}
}

func (s *Set) size() uint64 { return uint64(len(s.words)) }

// at is the place of a word in the ring, whose size is a power of two.
func (s *Set) at(word uint64) uint64 { return word & (s.size() - 1) }

// forgets reports whether a number in this word has no room beside those that a larger ring would remember.
func (s *Set) forgets(word uint64) bool {
	newest := s.highest / 64
	if word <= newest {
		return word+s.size() <= newest && word+remembered/64 > newest // too old for this ring
	}
	for i := range min(s.size(), newest+1) { // what is there, the newest first
		if old := newest - i; old+remembered/64 <= word {
			return false
		} else if old+s.size() <= word && s.words[s.at(old)] != 0 {
			return true
		}
	}
	return false
}

// grow doubles the ring.
func (s *Set) grow() {
	larger, newest := make([]uint64, 2*s.size()), s.highest/64
	for i := range min(s.size(), newest+1) {
		word := newest - i
		larger[word%uint64(len(larger))] = s.words[s.at(word)]
	}
	s.words = larger
}

// Has reports whether a number was added, and is not forgotten.
func (s *Set) Has(n uint64) bool {
	return s.words != nil && n <= s.highest && s.knows(n) && s.words[s.at(n/64)]&(1<<(n%64)) != 0
}

// knows reports whether a number is new enough.
func (s *Set) knows(n uint64) bool { return n/64+s.size() > s.highest/64 }
