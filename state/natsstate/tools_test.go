package natsstate_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// scan reads a place of all shards, page by page.
func scan(t *testing.T, s *natsstate.Store, r state.Range) (all []state.Entry, pages int) {
	t.Helper()
	for more := true; more; pages++ {
		es, m, err := s.Scan(patient(t), r)
		if err != nil {
			t.Fatalf("scanning %+v: %v", r, err)
		}
		if more = m; more && len(es) == 0 {
			t.Fatalf("scanning %+v: an empty page, and more", r)
		}
		for _, e := range es {
			if e.Rev <= r.After {
				t.Fatalf("after %d comes %+v", r.After, e)
			}
			r.After = e.Rev
		}
		all = append(all, es...)
	}
	return all, pages
}

// TestScan: a tool that may only look finds all records of a kind, or one, in any shard, in pages that
// are bounded in number and in bytes. What is no record is named.
func TestScan(t *testing.T) {
	testkit.CheckLeaks(t)
	url := natstest.Serve(t, server.Options{Users: append(users(), user("look", natsstate.LookPermissions("")))}).URL()
	node := open(t, natsstate.Options{URL: as("node", url)})
	odd := "a.b \x00*>\xff"
	for shard := range uint32(3) {
		token := fenced(t, node, shard, state.Token{})
		for i := range 5 {
			if err := commit(t, node, set(token, fmt.Sprint("key-", shard, "-", i), 1, "x")); err != nil {
				t.Fatal(err)
			}
		}
		other := set(token, odd, 1, fmt.Sprint(shard))
		other.Kind = fmt.Sprint("kind.", shard)
		if err := commit(t, node, other); err != nil {
			t.Fatal(err)
		}
	}
	look := open(t, natsstate.Options{URL: as("look", url), Existing: true, NATSOptions: []nats.Option{refuseNothing(t)}})
	if es, pages := scan(t, look, state.Range{Kind: "account", Most: 4}); len(es) != 15 || pages != 4 {
		t.Errorf("%d records in %d pages, want 15 in 4", len(es), pages)
	}
	if es, _ := scan(t, look, state.Range{}); len(es) != 18 {
		t.Errorf("%d records of all kinds, want 18", len(es))
	}
	if es, _ := scan(t, look, state.Range{Kind: "kind.2", Key: odd}); len(es) != 1 || es[0].Key != odd || es[0].Shard != 2 || string(es[0].Record.State) != "2" {
		t.Errorf("one key: %+v", es)
	}
	if es, _ := scan(t, look, state.Range{Kind: "kind.2", Key: "nobody"}); len(es) != 0 {
		t.Errorf("a key that is not there: %+v", es)
	}
	sign, fence, err := look.Fence(patient(t), 2)
	if err != nil || fence.N != 1 || fence.By == "" || sign != (state.Signature{}) {
		t.Errorf("the fence: %+v, %+v, %v", sign, fence, err)
	}
	if sign, fence, err := look.Fence(patient(t), 9); err != nil || fence != (state.Fence{}) || sign != (state.Signature{}) {
		t.Errorf("a shard that nothing has opened: %+v, %+v, %v", sign, fence, err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 700<<10/16)
	token := fenced(t, node, 2, state.Token{})
	for i := range 8 {
		c := set(token, fmt.Sprint(i), 1, "")
		c.Kind, c.Record.State = "large", large
		if err := commit(t, node, c); err != nil {
			t.Fatal(err)
		}
	}
	if es, pages := scan(t, look, state.Range{Kind: "large"}); len(es) != 8 || pages < 3 || len(es[7].Record.State) != len(large) {
		t.Errorf("%d large records in %d pages", len(es), pages)
	}
	for _, subject := range []string{"clstr.d.k.2.account.forged", "clstr.d.k.9.account", "clstr.d.k.x.account.y"} {
		if m, err := node.Conn().Request(subject, []byte("{}"), patience); err != nil || bytes.Contains(m.Data, []byte("error")) {
			t.Fatalf("%v, %v", m, err)
		}
	}
	bad := func(es []state.Entry) int {
		return len(slices.DeleteFunc(es, func(e state.Entry) bool { return !errors.Is(e.Err, state.ErrUnreadable) }))
	}
	ofKind, _ := scan(t, look, state.Range{Kind: "account"})
	all, _ := scan(t, look, state.Range{})
	if bad(ofKind) != 2 || bad(all) != 3 { // clstr.d.k.9.account has no kind
		t.Errorf("%d of the kind and %d of all are unreadable, want 2 and 3", bad(ofKind), bad(all))
	}
	for _, r := range []state.Range{{Place: state.Inbox}, {Place: state.Places}, {Key: "a"}} {
		_, _, err := look.Scan(patient(t), r)
		wantError(t, fmt.Sprintf("a scan of %+v", r), err, state.ErrInvalid)
	}
	_, _, err = client(t, "alice", url).Scan(patient(t), state.Range{})
	wantError(t, "a client's scan", err, state.ErrInvalid)
}

// TestExisting: a tool makes no streams, and takes those that are there.
func TestExisting(t *testing.T) {
	testkit.CheckLeaks(t)
	url := natstest.Serve(t, server.Options{}).URL()
	existing := natsstate.Options{URL: url, Existing: true, Log: slog.New(slog.DiscardHandler)}
	_, err := natsstate.Open(patient(t), existing)
	wantError(t, "a prefix without streams", err, natsstate.ErrNoStreams)
	node := open(t, natsstate.Options{URL: url, Memory: true})
	open(t, existing)
	if m, err := node.Conn().Request("$JS.API.STREAM.DELETE.clstr_inbox", nil, patience); err != nil || bytes.Contains(m.Data, []byte("error")) {
		t.Fatalf("%v, %v", m, err) // as where only the stream of state was restored
	}
	open(t, existing)
}
