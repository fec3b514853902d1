package main

import (
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const story = `
alice deposits 100            {Amount:100}
alice withdraws 30            {Amount:70}
alice deposits -5             no, the amount is bad (bank.bad_amount, ran and failed)
bob withdraws 10              no, 10 are missing (bank.insufficient_funds, ran and failed)
a loan, which nobody hosts    no (unknown_kind, not started); safe to send again: true
an audit of alice, for 50 ms  no (deadline, maybe ran); safe to send again: false
`

func TestStory(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		var tr cluster.Transport = cluster.NewInMemoryTransport()
		if kind == testkit.NATS {
			var err error
			if tr, err = natstransport.Open(t.Context(), natstransport.Options{URL: testkit.StartNATS(t)}); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		if err := run(t.Context(), tr, &out); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + out.String(); got != story {
			t.Errorf("got:%s\nwant:%s", got, story)
		}
	})
}
