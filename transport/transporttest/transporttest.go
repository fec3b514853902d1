// Run, Harness, Features

package transporttest

import (
	"testing"

	"github.com/clstr-go/clstr/transport"
)

// Pair is the two ends of a transport. They may be the same object.
type Pair struct {
	Client transport.ClientTransport
	Server transport.ServerTransport
}

// Features says what a backend promises, where backends may differ.
type Features struct {
	// MaxPayload is a size of payload that is certainly refused: a message with
	// outcome.ErrTooLarge, a reply with outcome.ErrReplyTooLarge. Half of it must
	// pass. 0 = no limit.
	MaxPayload int
	// RefusesUnacked: a notification without an acknowledgement reports a shard that no
	// node serves. Without this promise it may return nil.
	RefusesUnacked bool
	// Epochs: the server is a transport of this library, which knows owners in epochs.
	Epochs bool
}

// Harness makes the transports that the suite tests.
type Harness struct {
	// New makes a pair whose server has the given limits. Pairs are separate: a message
	// of one pair never arrives at another, even while both live. The suite closes
	// client and server, more than once. If something lies below them (a message
	// server, a connection), the harness ends it with t.Cleanup.
	New func(t testing.TB, limits transport.Limits) Pair
	// Features are what the backend promises.
	Features Features
}

// test is one behaviour. It makes the pairs that it needs.
type test struct {
	name string
	run  func(s *suite)
}

// group is the tests of one file.
type group struct {
	name  string
	tests []test
}

// Run tests that the harness's transports behave as package transport says.
func Run(t *testing.T, h Harness) {
	t.Run("leaks", func(t *testing.T) {
		runAll(t, h, leakTests) // alone: they count goroutines
	})
	t.Run("start and stop", func(t *testing.T) { t.Parallel(); startStop(t, h) })
	groups := []group{
		{"requests", requestTests},
		{"deadlines", deadlineTests},
		{"errors", errorTests},
		{"errortrees", treeTests},
		{"notify", notifyTests},
		{"order", orderTests},
		{"limits", limitTests},
		{"bytes", bytesTests},
		{"lifecycle", lifecycleTests},
		{"badinput", badInputTests},
		{"left open", leftOpenTests},
		{"ownership", ownershipTests},
		{"outcomes", outcomeTests},
	}
	if h.Features.Epochs {
		groups = append(groups, group{"epochs", epochTests})
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			runAll(t, h, group.tests)
		})
	}
}

func runAll(t *testing.T, h Harness, tests []test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(&suite{T: t, h: h}) })
	}
}
