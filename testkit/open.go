// Open: a service of the front, in memory

package testkit

import (
	"context"
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
)

// Open opens a service with one node in memory that hosts the entities, and returns it
// when it serves. The service ends with the test: the node drains, and an error at its
// end fails the test. It works inside a testing/synctest bubble too.
//
//	svc := testkit.Open(t, accounts, orders)
//	balance, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, "acc-1"), Deposit{100})
//
// An entity that another one asks may be a stand-in: another definition of the same
// kind. What durable entities store is kept in memory until the service ends. Replies are decoded strictly, as in a [Cluster]. The log is the test's, from
// warnings up. For several processes of a service, for other options or for NATS, call
// [clstr.Open] with one [clstr.Memory].
func Open(t testing.TB, entities ...clstr.Entity) *clstr.Service {
	t.Helper()
	svc, err := clstr.Open(context.Background(), clstr.Options{
		Name:     "test",
		On:       clstr.Memory(),
		Entities: entities,
		Shards:   64,
		Log:      Logger(t, slog.LevelWarn),
		Node:     cluster.NodeOptions{Timing: LiveTiming},
		Client:   cluster.ClientOptions{StrictReplies: true},
	})
	if err != nil {
		t.Fatalf("testkit.Open: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := svc.Close(context.Background()); err != nil {
			t.Errorf("testkit.Open: %v", err)
		}
	})
	return svc
}
