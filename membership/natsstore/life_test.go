package natsstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
)

// until looks again and again: nothing tells of what it waits for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := patient(t); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// soon reconnects without a pause, and says so.
func soon(back chan<- struct{}) []nats.Option {
	return []nats.Option{nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} })}
}

func TestRecordsOutliveTheServer(t *testing.T) {
	testkit.CheckLeaks(t)
	s := natstest.Serve(t, server.Options{})
	back := make(chan struct{}, 8)
	store := open(t, natsstore.Options{URL: s.URL(), NATSOptions: soon(back)})
	seen := make(chan membership.Entry, 8)
	stop, err := store.Watch(func(e membership.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	rev := write(t, store, "cfg", 0, "one")
	<-seen
	s.Restart()
	<-back
	if e := read(t, store, "cfg"); e.Rev != rev || string(e.Value) != "one" {
		t.Errorf("after the restart: %+v, want one at %d", e, rev)
	}
	if next := write(t, store, "cfg", rev, "two"); next <= rev {
		t.Errorf("revision %d after %d", next, rev)
	}
	if e := <-seen; string(e.Value) != "two" {
		t.Errorf("saw %+v", e)
	}
}

func TestReconnect(t *testing.T) {
	testkit.CheckLeaks(t)
	back := make(chan struct{}, 8)
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL(), NATSOptions: soon(back)})
	rev := write(t, store, "cfg", 0, "one")
	store.Reconnect()
	<-back
	write(t, store, "cfg", rev, "two")
}

// A call may wait for a server that is gone when the node gives that up.
func TestReconnectEndsWhatWaits(t *testing.T) {
	hung := natstest.Serve(t, server.Options{})
	store := open(t, natsstore.Options{URL: hung.URL()})
	deaf, err := nats.Connect(hung.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	asked := make(chan struct{}, 1)
	if err := removeStream(deaf, "KV_clstr_members"); err != nil {
		t.Fatal(err)
	}
	// Who takes the write and never answers.
	if _, err := deaf.Subscribe("$KV.clstr_members.>", func(*nats.Msg) { asked <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := deaf.Flush(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // the test waits for it
		_, err := store.Write(patient(t), "cfg", 0, []byte("x"))
		ended <- err
	}()
	<-asked
	store.Reconnect()
	wantError(t, "the write", <-ended, outcome.ErrConnectionLost)
}

func removeStream(nc *nats.Conn, name string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return js.DeleteStream(ctx, name)
}

// TestBucketThatIsGone is named so by each operation, and can be made anew: with
// later births, and watches that see what is written there.
func TestBucketThatIsGone(t *testing.T) {
	s := natstest.Serve(t, server.Options{})
	store := open(t, natsstore.Options{URL: s.URL()})
	seen := make(chan membership.Entry, 8)
	stop, err := store.Watch(func(e membership.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for rev := uint64(0); rev < 5; <-seen {
		rev = write(t, store, "cfg", rev, "x")
	}
	before, err := store.Born(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := removeStream(store.Conn(), "KV_clstr_members"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Write(patient(t), "cfg", 0, []byte("x"))
	wantError(t, "a write", err, membership.ErrNoRecords)
	_, err = store.Read(patient(t), "cfg")
	wantError(t, "a read", err, membership.ErrNoRecords)
	_, _, err = store.Snapshot(patient(t), "n.")
	wantError(t, "a snapshot", err, membership.ErrNoRecords)
	for range 2 { // another node may have been faster
		if err := store.Make(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := store.Born(patient(t)); err != nil || !after.After(before) {
		t.Errorf("born %v, then %v, %v", before, after, err)
	}
	rev := write(t, store, "cfg", 0, "new")
	if e := <-seen; e.Rev != rev || string(e.Value) != "new" {
		t.Errorf("saw %+v, want the write at %d", e, rev)
	}
}

func TestClose(t *testing.T) {
	testkit.CheckLeaks(t)
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	stop, err := store.Watch(func(membership.Entry) {})
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	store.Close()
	stop()
	store.Reconnect()
	_, err = store.Write(patient(t), "cfg", 0, []byte("x"))
	wantError(t, "a write", err, outcome.ErrTransportClosed)
	_, err = store.Read(patient(t), "cfg")
	wantError(t, "a read", err, outcome.ErrTransportClosed)
	_, _, err = store.Snapshot(patient(t), "n.")
	wantError(t, "a snapshot", err, outcome.ErrTransportClosed)
	_, err = store.Watch(func(membership.Entry) {})
	wantError(t, "a watch", err, outcome.ErrTransportClosed)
}

// Markers of removed records go away by themselves, and nothing comes back.
func TestMarkersEnd(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	store := open(t, natsstore.Options{URL: url})
	store.SetMarkerTTL(time.Second)
	rev := write(t, store, "n.a.1", 0, "x")
	removed, err := store.Write(patient(t), "n.a.1", rev, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(store.Conn())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(patient(t), "KV_clstr_members")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the marker", func() bool {
		info, err := stream.Info(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs == 1 // the store's own
	})
	if e := read(t, store, "n.a.1"); e.Rev != 0 {
		t.Errorf("%+v has come back", e)
	}
	for _, old := range []uint64{rev, removed} {
		if _, err := store.Write(patient(t), "n.a.1", old, []byte("y")); !errors.Is(err, membership.ErrConflict) {
			t.Errorf("a write at revision %d, which is gone: %v", old, err)
		}
	}
	entries, asOf, err := store.Snapshot(patient(t), "n.")
	if err != nil || len(entries) != 0 || asOf < removed {
		t.Errorf("%v as of %d, %v; want none as of %d", entries, asOf, err, removed)
	}
	write(t, store, "n.a.1", 0, "z")
}

func TestKeys(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	for _, key := range []string{"", "a..b", ".a", "a.", "a b", "n.*", ">", "bucket"} {
		_, err := store.Write(patient(t), key, 0, []byte("x"))
		wantError(t, "writing "+key, err, outcome.ErrBadOption)
		_, err = store.Read(patient(t), key)
		wantError(t, "reading "+key, err, outcome.ErrBadOption)
	}
}

func TestRecordThatIsTooLarge(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{MaxPayload: 1 << 12}).URL()})
	_, err := store.Write(patient(t), "cfg", 0, make([]byte, 1<<12))
	wantError(t, "a write", err, outcome.ErrTooLarge)
}

func TestEmptyRecordIsOne(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	seen := make(chan membership.Entry, 1)
	stop, err := store.Watch(func(e membership.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	rev := write(t, store, "n.a.1", 0, "")
	entries, _, err := store.Snapshot(patient(t), "n.")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range []membership.Entry{read(t, store, "n.a.1"), entries[0], <-seen} {
		if e.Rev != rev || e.Value == nil || len(e.Value) != 0 {
			t.Errorf("%+v, want an empty value at %d", e, rev)
		}
	}
}

// After stop the watcher's memory may go: a call that is under way is waited for.
func TestStopWaitsForTheWatcher(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	entered, release := make(chan struct{}), make(chan struct{})
	finished := false // the race detector looks too
	stop, err := store.Watch(func(membership.Entry) {
		close(entered)
		<-release
		finished = true
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, store, "cfg", 0, "x")
	<-entered
	go close(release) // ends at once
	stop()
	if !finished {
		t.Error("stop has not waited")
	}
}
