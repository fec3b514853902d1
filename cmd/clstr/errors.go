// Exit codes, and which error has which

package main

import (
	"fmt"

	"github.com/clstr-go/clstr/cluster"
)

// Exit codes: clstr help exit-codes documents them. Add, never change.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 2
	exitUnreachable  = 3
	exitNoCluster    = 4
	exitUnknownNode  = 5
	exitNotPermitted = 6
	exitUnfinished   = 7
	exitRefused      = 8
	exitLost         = 9
	exitNotSent      = 10 // and the other outcomes of a call behind it
	exitNoRecord     = 14
	exitBadState     = 15
)

// failure is how the command ends if it fails: an exit code, a stable word, a message
// for people and, if there is one, a hint what to do.
type failure struct {
	exit    int
	code    string
	outcome string // of a call
	msg     string
	hint    string
}

func (f *failure) Error() string { return f.msg }

// callFailed makes the failure of a request or notification.
func callFailed(err error) *failure {
	f := &failure{
		exit:    exitNotSent - int(cluster.NotSent) + int(cluster.OutcomeOf(err)),
		code:    cluster.CodeOf(err),
		outcome: cluster.OutcomeOf(err).String(),
		msg:     err.Error(),
	}
	if f.code == "layout_mismatch" {
		f.hint = "--shards and --seed must be the cluster's; without them they are read from its records"
	} else if after, ok := cluster.RetryAfter(err); ok {
		f.hint = fmt.Sprintf("try again after %v", after)
	}
	return f
}
