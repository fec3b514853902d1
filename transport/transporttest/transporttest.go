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

// Features says what a backend promises where backends may differ.
type Features struct {
	// MaxPayload is the size from which a payload is surely refused with
	// transport.ErrTooLarge, and a reply with transport.ErrReplyTooLarge; half of
	// it must cross. 0 = no limit.
	MaxPayload int
	// RefusesUnacked: a notification that awaits nothing reports a shard that
	// nobody serves. Otherwise it may return nil.
	RefusesUnacked bool
	// Epochs: the server is a dispatch.EpochTransport, and a
	// dispatch.OwnersTransport where its clients must ask.
	Epochs bool
}

// Harness makes what the suite tests.
type Harness struct {
	// New makes a pair whose server has the given limits. Pairs must not meet:
	// what is sent on one arrives on no other, also while both live. The suite
	// closes client and server, more than once; what lies below them (a message
	// server, a connection) the harness ends with t.Cleanup.
	New func(t testing.TB, limits transport.Limits) Pair
	// Features are the backend's.
	Features Features
}

// test is one behaviour, with a pair or several of its own.
type test struct {
	name string
	run  func(s *suite)
}

// group is the tests of one file.
type group struct {
	name  string
	tests []test
}

// Run tests that the harness's transport behaves as package transport says.
func Run(t *testing.T, h Harness) {
	t.Run("leaks", func(t *testing.T) {
		runAll(t, h, leakTests) // alone: they count goroutines
	})
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
