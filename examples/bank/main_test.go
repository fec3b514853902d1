package main

import (
	"os"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/examples/bank/internal/tellers"
	"github.com/clstr-go/clstr/testkit"
)

const want = `
alice deposits 100            {Amount:100}
alice withdraws 30            {Amount:70}
alice deposits -5             no, the amount is bad (bank.bad_amount, ran and failed)
bob withdraws 10              no, 10 are missing (bank.insufficient_funds, ran and failed)
a loan, which nobody hosts    no (unknown_kind, not started); safe to send again: true
`

// TestMain is the bank's process, too: what it runs starts this program again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestStory(t *testing.T) {
	testkit.CheckLeaks(t)
	var out strings.Builder
	if err := tellers.Run(t.Context(), nil, &out, serve, story, move, Look{}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	told, table, _ := strings.Cut(out.String(), "\n\n")
	if got := "\n" + told + "\n"; got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
	if strings.Count(table, "kill -9") != 2 || !strings.Contains(table, "hold 40000, as before") {
		t.Errorf("got:\n%s", table)
	}
}
