package cluster_test

import (
	"context"
	"errors"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type deposit struct{ Amount int64 }

type balance struct{ Amount int64 }

type account struct{ sum int64 }

var errBadAmount = errors.New("amount must be positive")

func init() { cluster.RegisterError("test.bad_amount", errBadAmount) }

func (a *account) deposit(_ *actor.Context, m deposit) (balance, error) {
	if m.Amount <= 0 {
		return balance{}, errBadAmount
	}
	a.sum += m.Amount
	return balance{a.sum}, nil
}

var accounts = actor.Define("account", func(string) *account { return &account{} }, actor.OnRequest((*account).deposit))

func TestTypedEntityKeepsStateAndErrors(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	cluster.CreateTestCluster(t, tr, 3, 64, "seed", cluster.NewActorHandler(accounts.New))
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64, Seed: "seed"})
	if err != nil {
		t.Fatal(err)
	}
	req := cluster.NewRequest[deposit, balance](client.Key("acc-1"))
	for i := int64(1); i <= 100; i++ {
		got, err := req.Request(context.Background(), deposit{1})
		if err != nil || got.Amount != i {
			t.Fatalf("deposit %d: got %v, %v", i, got, err)
		}
	}
	_, err = req.Request(context.Background(), deposit{-1})
	if !errors.Is(err, errBadAmount) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Fatalf("got %v (%v), want errBadAmount, ran and failed", err, cluster.OutcomeOf(err))
	}
}
