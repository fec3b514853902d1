// DrainCounts: what a shard's move has cost callers

package outcome

// DrainCounts is what a shard's move has cost: calls that were refused, or cut
// off, because of it.
type DrainCounts struct {
	// Parked counts calls that came during the move, or had not begun by then. They were refused
	// or handed back, and their senders try again at the next owner. A call that is sent again
	// is not counted again.
	Parked uint32 `json:"parked,omitempty"`
	// Dropped counts notifications without an acknowledgement that did not run. Their
	// senders were not told.
	Dropped uint32 `json:"dropped,omitempty"`
	// Lost counts work that was accepted and did not end in the drain's time. It counts requests
	// that were cut off, or run on beside the next owner; their senders are told that they
	// may have run. It counts acknowledged notifications that never began, were cut off or run on.
	// And it counts keys whose stop hooks were cut off.
	Lost uint32 `json:"lost,omitempty"`
}
