//go:build race

package ownership

// raced: a seed takes seven times as long under the race detector, which finds nothing
// in a simulation on one goroutine. The gate runs 1,000 seeds, and all mutants to their
// end, without it.
const raced = true
