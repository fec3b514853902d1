package main

import (
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const story = `
alice deposits 100                 {Amount:100}
alice withdraws 30                 {Amount:70}
alice deposits -5                  no: code bank.bad_amount, ran and failed; errors.Is finds ErrBadAmount
bob withdraws 10                   no: code bank.insufficient_funds, ran and failed; errors.As finds that 10 are missing
order 1: 50 from alice to bob      {From:20 To:50}
order 1 again, as after a timeout  {From:20 To:50}
order 2: 500 from alice to bob     no: code bank.insufficient_funds, ran and failed; errors.As finds that 480 are missing
a loan, which nobody hosts         no: code unknown_kind, not started; safe to send again
an audit of alice, for 50 ms       no: code deadline, maybe ran
`

func TestStory(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		var tr cluster.Transport = cluster.NewInMemoryTransport()
		if kind == testkit.NATS {
			var err error
			if tr, err = natstransport.New(natstransport.Options{URL: testkit.StartNATS(t)}); err != nil {
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
