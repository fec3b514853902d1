package transport

import "sync/atomic"

// DrainCounts is what a shard's move has cost: calls that it has refused, or that
// were cut off. Calls whose own time was up are in none of them.
type DrainCounts struct {
	// Parked were refused before they began, and their senders told, who try
	// again at the next owner. What they send again until then is not counted.
	Parked uint32 `json:"parked,omitempty"`
	// Dropped were sent without an acknowledgement and did not run, and nobody
	// was told.
	Dropped uint32 `json:"dropped,omitempty"`
	// Lost were accepted, and did not come to their end in the time that a drain
	// has: calls that were cut off as they ran, or go on beside the next owner, and
	// acknowledged notifications that never began.
	Lost uint32 `json:"lost,omitempty"`
}

// Plus returns the sums of both.
func (c DrainCounts) Plus(d DrainCounts) DrainCounts {
	return DrainCounts{c.Parked + d.Parked, c.Dropped + d.Dropped, c.Lost + d.Lost}
}

// moveCounts is the DrainCounts of a subscription.
type moveCounts struct {
	parked, dropped, lost atomic.Uint32
	running               atomic.Int32 // of the lost, those that still run
}

// Counts implements [Drainer].
func (s *Sub) Counts() DrainCounts {
	c := DrainCounts{s.counts.parked.Load(), s.counts.dropped.Load(), s.counts.lost.Load()}
	if s.dropped.Load() {
		c.Lost += uint32(max(0, s.Pending()-int(s.counts.running.Load()))) // what goes on, and was not told
	}
	return c
}

func (c *moveCounts) reset() {
	c.parked.Store(0)
	c.dropped.Store(0)
	c.lost.Store(0)
}

// add counts the end of a call of a shard that moves. It is called when the call
// is decided, before its sender is told.
func (c *moveCounts) add(call *Call, err *Error) {
	told := call.Accepted()
	switch {
	case err.is != ErrNotOwner && err.is != ErrDraining:
	case err.Outcome == MaybeRan:
		c.lost.Add(1)
		c.running.Add(1)
		call.bits.Or(bitCut)
	case !err.Outcome.NeverRan(): // a handler has passed on what a call of its own met
	case call.env.Delivery == AwaitNothing && (told || call.far):
		c.dropped.Add(1)
	case told:
		c.lost.Add(1)
	case !call.env.Retry:
		c.parked.Add(1)
	}
}
