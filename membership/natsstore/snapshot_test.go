package natsstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// A snapshot has every write up to its revision, whichever replica has answered
// for each of its blocks, and however much is written meanwhile.
func TestSnapshotsHaveWhatTheySay(t *testing.T) {
	for name, serve := range map[string]func() string{
		"R1": func() string { return natstest.Serve(t, server.Options{}).URL() },
		"R3": func() string { return natstest.ServeThree(t) },
	} {
		t.Run(name, func(t *testing.T) { snapshotsHaveWhatTheySay(t, serve()) })
	}
}

func snapshotsHaveWhatTheySay(t *testing.T, urls string) {
	const writers, blocks, snapshots = 3, 20, 100
	store := open(t, natsstore.Options{URL: urls})
	cfg := record.NewConfig(sharding.Layout{NumShards: blocks * record.ShardBlock})
	write(t, store, record.ConfigKey, 0, string(record.Encode(cfg)))
	var mu sync.Mutex
	var written []membership.Entry // acknowledged
	ctx, done := context.WithCancel(patient(t))
	var wg sync.WaitGroup
	for w := range writers {
		store := open(t, natsstore.Options{URL: urls})
		wg.Go(func() {
			revs := make([]uint64, blocks)
			for i := 0; ctx.Err() == nil; i++ {
				block := i % blocks
				key := record.ShardKey(uint32(block*record.ShardBlock + w))
				revs[block] = write(t, store, key, revs[block], "x")
				mu.Lock()
				written = append(written, membership.Entry{Key: key, Rev: revs[block]})
				mu.Unlock()
			}
		})
	}
	for range snapshots {
		entries, asOf, err := store.Snapshot(patient(t), record.ShardPrefix)
		if err != nil {
			t.Errorf("Snapshot: %v", err)
			break
		}
		has := map[string]uint64{}
		for _, e := range entries {
			has[e.Key] = e.Rev
		}
		mu.Lock()
		for _, w := range written {
			if w.Rev <= asOf && has[w.Key] < w.Rev {
				t.Errorf("as of %d, and %s is at %d in place of %d", asOf, w.Key, has[w.Key], w.Rev)
			}
		}
		mu.Unlock()
	}
	done()
	wg.Wait()
}

// Blocks are known from the cluster's configuration once there is one.
func TestSnapshotOfShards(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	const far = 9*record.ShardBlock + 1
	want := func(n int, prefix string) {
		t.Helper()
		entries, _, err := store.Snapshot(patient(t), prefix)
		if err != nil || len(entries) != n {
			t.Errorf("%d records under %q, %v, want %d", len(entries), prefix, err, n)
		}
	}
	want(0, record.ShardPrefix)
	write(t, store, record.ShardKey(far), 0, "x")
	want(1, record.ShardPrefix)
	write(t, store, record.ConfigKey, 0, string(record.Encode(record.NewConfig(sharding.Layout{NumShards: far + 1}))))
	want(1, record.ShardPrefix)
	write(t, store, record.ShardKey(0), 0, "x")
	want(2, record.ShardPrefix)
	want(3, "") // and not the store's own
}

func TestTooManyMembers(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	for i := range 1023 {
		write(t, store, fmt.Sprintf("n.a.%d", i), 0, "x")
	}
	if entries, _, err := store.Snapshot(patient(t), "n."); len(entries) != 1023 || err != nil {
		t.Errorf("%d records, %v", len(entries), err)
	}
	if entries, _, err := store.Snapshot(patient(t), "n.a.102"); len(entries) != 4 || err != nil {
		t.Errorf("%d records, %v, want n.a.102, n.a.1020, 1021 and 1022", len(entries), err)
	}
	write(t, store, "n.a.1023", 0, "x")
	_, _, err := store.Snapshot(patient(t), "n.")
	wantError(t, "a snapshot of 1,024 members", err, outcome.ErrTooLarge)
}
