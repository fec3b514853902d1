// What every store must keep

package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// Run tests the stores that open makes. Each must be empty. open leaves what ends a
// store to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) membership.Store) {
	for name, f := range map[string]func(*testing.T, membership.Store){
		"WritesCompare":        writesCompare,
		"RemovedRecords":       removedRecords,
		"ReadersOwnTheirBytes": readersOwnTheirBytes,
		"Snapshots":            snapshots,
		"LargeSnapshots":       largeSnapshots,
		"EveryName":            everyName,
		"OneWriterWins":        oneWriterWins,
		"Watch":                watch,
		"Contexts":             contexts,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func writesCompare(t *testing.T, s membership.Store) {
	ctx := t.Context()
	if e := read(t, s, "cfg"); e.Rev != 0 || e.Value != nil {
		t.Errorf("a record that is not there: %+v", e)
	}
	first := write(t, s, "cfg", 0, "one")
	if first == 0 {
		t.Error("a write returns revision 0")
	}
	for _, rev := range []uint64{0, first + 1, first - 1} {
		if _, err := s.Write(ctx, "cfg", rev, []byte("wrong")); !errors.Is(err, membership.ErrConflict) {
			t.Errorf("a write at revision %d of a record at %d: %v", rev, first, err)
		}
	}
	if _, err := s.Write(ctx, "other", first, []byte("wrong")); !errors.Is(err, membership.ErrConflict) {
		t.Errorf("a write at revision %d of a record that is not there: %v", first, err)
	}
	second := write(t, s, "cfg", first, "two")
	if second <= first {
		t.Errorf("revision %d after %d", second, first)
	}
	if e := read(t, s, "cfg"); e.Rev != second || string(e.Value) != "two" || e.Key != "cfg" {
		t.Errorf("read %+v, want two at %d", e, second)
	}
	if third := write(t, s, "other", 0, "three"); third <= second {
		t.Errorf("revision %d of another record after %d", third, second)
	}
}

func removedRecords(t *testing.T, s membership.Store) {
	first := write(t, s, "n.a.1", 0, "x")
	if _, err := s.Write(t.Context(), "n.a.1", first+1, nil); !errors.Is(err, membership.ErrConflict) {
		t.Errorf("a removal at another revision: %v", err)
	}
	if _, err := s.Write(t.Context(), "n.a.1", first, nil); err != nil {
		t.Fatal(err)
	}
	if e := read(t, s, "n.a.1"); e.Rev != 0 {
		t.Errorf("a removed record reads as %+v", e)
	}
	if entries, _, err := s.Snapshot(t.Context(), "n."); err != nil || len(entries) != 0 {
		t.Errorf("a removed record is in the snapshot: %v, %v", entries, err)
	}
	if _, err := s.Write(t.Context(), "n.a.1", first, []byte("y")); !errors.Is(err, membership.ErrConflict) {
		t.Errorf("a write at the revision before the removal: %v", err)
	}
	if again := write(t, s, "n.a.1", 0, "z"); again <= first {
		t.Errorf("revision %d after %d", again, first)
	}
}

func readersOwnTheirBytes(t *testing.T, s membership.Store) {
	value := []byte("value")
	if _, err := s.Write(t.Context(), "cfg", 0, value); err != nil {
		t.Fatal(err)
	}
	copy(value, "wrong")
	if e := read(t, s, "cfg"); !bytes.Equal(e.Value, []byte("value")) {
		t.Errorf("the store has kept its writer's slice: %q", e.Value)
	}
	kept := read(t, s, "cfg")
	seen := snapshot(t, s, "cfg", kept.Rev)
	write(t, s, "cfg", kept.Rev, "later")
	read(t, s, "cfg")
	for _, e := range append(seen, kept) {
		if !bytes.Equal(e.Value, []byte("value")) {
			t.Errorf("what was read before the next write has become %q", e.Value)
		}
	}
}

func snapshots(t *testing.T, s membership.Store) {
	if entries, asOf, err := s.Snapshot(t.Context(), "s."); err != nil || len(entries) != 0 {
		t.Errorf("an empty store: %v as of %d, %v", entries, asOf, err)
	}
	last := uint64(0)
	for _, key := range []string{"n.a.1", "n.b.2", "s.0.1", "cfg"} {
		last = write(t, s, key, 0, key)
	}
	entries := snapshot(t, s, "n.", last)
	if len(entries) != 2 {
		t.Fatalf("%d records under n., want 2: %v", len(entries), entries)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, "n.") || string(e.Value) != e.Key || e.Rev == 0 || e.Rev > last {
			t.Errorf("record %+v", e)
		}
	}
}

// largeSnapshots: there are clusters with thousands of shards.
func largeSnapshots(t *testing.T, s membership.Store) {
	const n = 2*record.ShardBlock + 10
	last := uint64(0)
	for i := range n {
		last = write(t, s, record.ShardKey(uint32(i)), 0, strconv.Itoa(i))
	}
	seen := map[string]bool{}
	for _, e := range snapshot(t, s, record.ShardPrefix, last) {
		seen[e.Key] = true
	}
	if len(seen) != n {
		t.Errorf("%d records, want %d", len(seen), n)
	}
}

func everyName(t *testing.T, s membership.Store) {
	for _, name := range []string{"node-1", "N_2", "-", "0", strings.Repeat("n", record.MaxName)} {
		key := record.MemberKey(record.Ref{Name: name, Incarnation: "0a"})
		rev := write(t, s, key, 0, name)
		if e := read(t, s, key); e.Rev != rev || string(e.Value) != name {
			t.Errorf("%q under %q reads %+v", name, key, e)
		}
	}
}

// oneWriterWins: of writers at the same revision one succeeds.
func oneWriterWins(t *testing.T, s membership.Store) {
	const writers, rounds = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				e, err := s.Read(t.Context(), "cfg")
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				n, _ := strconv.Atoi(string(e.Value))
				_, err = s.Write(t.Context(), "cfg", e.Rev, []byte(strconv.Itoa(n+1)))
				switch {
				case err == nil:
					done++
				case !errors.Is(err, membership.ErrConflict):
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, want := string(read(t, s, "cfg").Value), strconv.Itoa(writers*rounds); got != want {
		t.Errorf("counted to %s, want %s", got, want)
	}
}

func watch(t *testing.T, s membership.Store) {
	seen := make(chan membership.Entry, 100)
	stop, err := s.Watch(func(e membership.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	rev := uint64(0)
	for i := range 10 {
		rev = write(t, s, "n.a.1", rev, fmt.Sprint(i))
	}
	last := uint64(0)
	for i := range 10 {
		e := <-seen
		if e.Key != "n.a.1" || string(e.Value) != fmt.Sprint(i) || e.Rev <= last {
			t.Errorf("saw %+v, want %d above revision %d", e, i, last)
		}
		last = e.Rev
	}
	if _, err := s.Write(t.Context(), "n.a.1", rev, nil); err != nil {
		t.Fatal(err)
	}
	if e := <-seen; e.Value != nil || e.Rev <= last {
		t.Errorf("the removal was seen as %+v", e)
	}
	stop()
	write(t, s, "n.b.1", 0, "unseen")
	select {
	case e := <-seen:
		t.Errorf("saw %+v after the end of the watch", e)
	default:
	}
	stop() // is idempotent
}

func contexts(t *testing.T, s membership.Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Write(ended, "cfg", 0, []byte("x")); err == nil || errors.Is(err, membership.ErrConflict) {
		t.Errorf("a write with a context that has ended: %v", err)
	}
	if _, err := s.Read(ended, "cfg"); err == nil {
		t.Error("a read with a context that has ended succeeds")
	}
	if _, _, err := s.Snapshot(ended, "n."); err == nil {
		t.Error("a snapshot with a context that has ended succeeds")
	}
}

func write(t *testing.T, s membership.Store, key string, rev uint64, value string) uint64 {
	t.Helper()
	got, err := s.Write(t.Context(), key, rev, []byte(value))
	if err != nil {
		t.Fatalf("writing %q at %d: %v", key, rev, err)
	}
	return got
}

func read(t *testing.T, s membership.Store, key string) membership.Entry {
	t.Helper()
	e, err := s.Read(t.Context(), key)
	if err != nil {
		t.Fatalf("reading %q: %v", key, err)
	}
	return e
}

// snapshot asks until the answer is as new as atLeast: a replica may be late.
func snapshot(t *testing.T, s membership.Store, prefix string, atLeast uint64) []membership.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		entries, asOf, err := s.Snapshot(ctx, prefix)
		if err != nil {
			t.Fatalf("snapshot of %q: %v", prefix, err)
		}
		if asOf >= atLeast {
			return entries
		}
	}
}
