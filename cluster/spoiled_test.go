package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// spoiling is a cluster in virtual time whose records somebody overwrites.
type spoiling struct {
	t     *testing.T
	store *memstore.Store
	tr    *memtransport.Transport
	said  logBuffer
	log   *slog.Logger // writes to it
}

func spoil(t *testing.T, test func(*testing.T, *spoiling)) {
	synctest.Test(t, func(t *testing.T) {
		s := &spoiling{t: t, store: memstore.New(), tr: memtransport.New(memtransport.Options{}).WithLog(quiet)}
		s.log = slog.New(slog.NewTextHandler(&s.said, nil))
		test(t, s)
		_ = s.tr.Close()
	})
}

// node makes a node that writes to the common log.
func (s *spoiling) node(id string) *cluster.Node {
	return cluster.NewNode(cluster.NodeOptions{
		NodeID: id, Transport: s.tr, NumShards: 16, Handler: echoData, Membership: s.store, Log: s.log,
	})
}

func (s *spoiling) start(n *cluster.Node) (stop func() error) {
	s.t.Helper()
	stop, err := n.Start(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return stop
}

// overwrite writes over the only record of a prefix.
func (s *spoiling) overwrite(prefix string, value []byte) {
	s.t.Helper()
	entries, _, err := s.store.Snapshot(s.t.Context(), prefix)
	if err != nil || len(entries) != 1 {
		s.t.Fatal(entries, err)
	}
	if _, err := s.store.Write(s.t.Context(), entries[0].Key, entries[0].Rev, value); err != nil {
		s.t.Fatal(err)
	}
}

// wantServed asks all shards.
func (s *spoiling) wantServed() {
	s.t.Helper()
	c := newClient(s.t, cluster.ClientOptions{Transport: s.tr, NumShards: 16})
	for shard := range uint32(16) {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		if _, err := c.Shard(shard).RequestRaw(ctx, "x", nil); err != nil {
			s.t.Errorf("shard %d: %v", shard, err)
		}
		cancel()
	}
}

// wantSaid: one line says it.
func (s *spoiling) wantSaid(words string, lines int) {
	s.t.Helper()
	synctest.Wait()
	if n := strings.Count(s.said.String(), words); n != lines {
		s.t.Errorf("%d lines say %q, want %d:\n%s", n, words, lines, &s.said)
	}
}

// TestMemberRecordIsSpoiled, or removed: the node comes again, and its shards have an owner.
func TestMemberRecordIsSpoiled(t *testing.T) {
	for _, nodes := range []string{"a", "ab"} {
		for _, with := range [][]byte{[]byte("x"), []byte("{}"), nil} {
			spoil(t, func(t *testing.T, s *spoiling) {
				var stops []func() error
				for _, id := range nodes {
					stops = append(stops, s.start(s.node(string(id))))
				}
				time.Sleep(30 * time.Second)
				s.overwrite(record.MemberPrefix+"a.", with)
				time.Sleep(8 * time.Second) // less than its lease: it says that it is dead
				s.wantServed()
				s.wantSaid("this node's own record was overwritten", 1)
				for _, stop := range stops {
					if err := stop(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// TestMemberRecordOfOneWhoIsGone: the spoiled record is of a node that has gone. A node
// that joins waits for the longest lease, and says what it waits for.
func TestMemberRecordOfOneWhoIsGone(t *testing.T) {
	spoil(t, func(t *testing.T, s *spoiling) {
		dead, err := s.store.Write(t.Context(), record.MemberKey(record.Ref{Name: "gone", Incarnation: "1"}), 0, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		for shard := range uint32(16) {
			value := `{"owner":"gone.1","epoch":1,"why":"claim"}`
			if _, err := s.store.Write(t.Context(), record.ShardKey(shard), 0, []byte(value)); err != nil || dead == 0 {
				t.Fatal(err)
			}
		}
		n := s.node("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		time.Sleep(15 * time.Second)
		if h := n.Health(); h.Serving || !strings.Contains(h.Error, "the record of member gone.1 was overwritten") {
			t.Errorf("%+v", h)
		}
		s.wantSaid("a member's record was overwritten", 1)
		time.Sleep(15 * time.Second)
		if h := n.Health(); !h.Serving || h.Error != "" {
			t.Errorf("%+v", h)
		}
		s.wantServed()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestConfigOfAnotherLayout: a node that serves by its own writes that again, and says so.
func TestConfigOfAnotherLayout(t *testing.T) {
	spoil(t, func(t *testing.T, s *spoiling) {
		n := s.node("a")
		stop := s.start(n)
		time.Sleep(30*time.Second + 100*time.Millisecond) // between two steps: one at this moment might mend it before it is seen
		before, err := s.store.Read(t.Context(), record.ConfigKey)
		if err != nil {
			t.Fatal(err)
		}
		s.overwrite(record.ConfigKey, record.Encode(record.NewConfig(sharding.Layout{NumShards: 8})))
		synctest.Wait()
		if h := n.Health(); !h.Serving || !strings.Contains(h.Error, "NumShards 16, the cluster has 8") {
			t.Errorf("%+v", h)
		}
		time.Sleep(10 * time.Second)
		if after, err := s.store.Read(t.Context(), record.ConfigKey); err != nil || !bytes.Equal(after.Value, before.Value) {
			t.Errorf("%s, %v", after.Value, err)
		}
		if h := n.Health(); !h.Serving || h.Error != "" {
			t.Errorf("%+v", h)
		}
		s.wantSaid("configuration was overwritten with that of another layout", 1)
		s.wantServed()
		stopB := s.start(s.node("b")) // is not refused
		if err := errors.Join(stopB(), stop()); err != nil {
			t.Error(err)
		}
	})
}
