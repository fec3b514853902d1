package main

import (
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/testkit"
)

func TestDeposit(t *testing.T) {
	svc := testkit.Open(t, accounts)
	for _, want := range []int64{100, 200} {
		balance, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, "acc-1"), Deposit{100})
		if err != nil || balance.Amount != want {
			t.Errorf("got %v, %v; want %d", balance, err, want)
		}
	}
}
