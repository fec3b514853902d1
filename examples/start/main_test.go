package main

import (
	"os"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/testkit"
)

func TestDeposit(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("accounts", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{100, 200} { // the second service loads what the first has saved
		svc := testkit.Open(t, accounts)
		balance, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, "acc-1"), Deposit{100})
		if err != nil || balance.Amount != want {
			t.Errorf("got %v, %v; want %d", balance, err, want)
		}
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
