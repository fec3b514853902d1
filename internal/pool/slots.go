// How many tasks hold a slot and how many wait for one, in one word

package pool

import "sync/atomic"

// slots counts the tasks that hold a slot, and those that wait for one. Both numbers are in one word. So no slot becomes free
// unseen while a task begins to wait: while a task waits, all slots are held.
//
//	        take              wait           pass, takeOver
//	nothing ----> holds    nothing ----> waits ----> holds
//	        <----
//	        give
//
// What waits is kept elsewhere, under a lock. The lock is held for wait, pass and takeOver.
type slots struct {
	limit int64
	word  atomic.Int64 // those that hold one + oneWaits for each that waits
}

const (
	oneHolds  = 1
	oneWaits  = 1 << 32
	unlimited = 1<<31 - 1
)

// load returns how many tasks hold a slot, and how many wait for one.
func (s *slots) load() (holds, wait int) {
	w := s.word.Load()
	return int(w % oneWaits), int(w / oneWaits)
}

func (s *slots) held() int { return int(s.word.Load() % oneWaits) }

// take takes a slot, if one is free.
func (s *slots) take() bool {
	for {
		w := s.word.Load()
		if w%oneWaits >= s.limit {
			return false
		}
		if s.word.CompareAndSwap(w, w+oneHolds) {
			return true
		}
	}
}

// wait counts a task that waits from here on. If a slot is free it takes that instead, and returns false.
func (s *slots) wait() bool {
	for {
		w := s.word.Load()
		waits, next := false, w+oneHolds
		if w%oneWaits >= s.limit {
			waits, next = true, w+oneWaits
		}
		if s.word.CompareAndSwap(w, next) {
			return waits
		}
	}
}

// give gives the caller's slot back. It returns false if a task waits for the slot: the caller still has it, and must pass it
// on. A slot beyond the limit is given back even then.
func (s *slots) give() bool {
	for {
		w := s.word.Load()
		if w >= oneWaits && w%oneWaits <= s.limit {
			return false
		}
		if s.word.CompareAndSwap(w, w-oneHolds) {
			return true
		}
	}
}

// pass gives the caller's slot to a task that waits.
func (s *slots) pass() { s.word.Add(-oneWaits) }

// takeOver gives a task that waits a slot beyond the limit.
func (s *slots) takeOver() { s.word.Add(oneHolds - oneWaits) }
