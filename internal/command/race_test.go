//go:build race

package command

// raced: a seed takes nine times as long under the race detector, which finds nothing on one
// goroutine. The gate runs all seeds without it.
const raced = true
