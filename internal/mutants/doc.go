// Package mutants breaks the rules of durable entities in the source, one at a time. A test must notice
// each break. The files stay as they are, because a break is an overlay of go test.
//
//	go run ./internal/mutants/all                # all of them, as make mutants does
//	go run ./internal/mutants/all replyEarly     # one, by its name
//
// internal/laws checks that the text which each mutant replaces is still there. If it is not, find the
// rule's new place, and mend the table.
package mutants
