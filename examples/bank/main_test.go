package main

import (
	"strings"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/testkit"
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
	for name, on := range map[string]func(*testing.T) clstr.Network{
		"memory": func(*testing.T) clstr.Network { return clstr.Memory() },
		"nats":   func(t *testing.T) clstr.Network { return embed.Dir(t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			var out strings.Builder
			if err := run(t.Context(), on(t), &out); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != story {
				t.Errorf("got:%s\nwant:%s", got, story)
			}
		})
	}
}
