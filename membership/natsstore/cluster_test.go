package natsstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/membership/storetest"
	"github.com/clstr-go/clstr/testkit"
)

func TestReplicatedStore(t *testing.T) {
	testkit.CheckLeaks(t)
	urls := natstest.ServeThree(t)
	n := 0
	storetest.Run(t, func(t *testing.T) membership.Store {
		n++
		return open(t, natsstore.Options{URL: urls, Prefix: fmt.Sprintf("c%d", n)})
	})
	store := open(t, natsstore.Options{URL: urls, Prefix: "c1"})
	if replicas := strings.Count(streamInfo(t, store.Conn(), "KV_c1_members"), `"current":`); replicas != 2 {
		t.Errorf("the leader has %d replicas beside it, want 2", replicas)
	}
}

func streamInfo(t testing.TB, nc *nats.Conn, stream string) string {
	t.Helper()
	m, err := nc.RequestWithContext(patient(t), "$JS.API.STREAM.INFO."+stream, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Data)
}

func TestNodesOpenAReplicatedStoreAtOnce(t *testing.T) {
	urls := natstest.ServeThree(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := natsstore.Open(patient(t), natsstore.Options{URL: urls})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

// The leader of the bucket steps down again and again. Whoever was told that a
// write was done finds it, and no write is done that was said not to be.
func TestLeadersComeAndGo(t *testing.T) {
	const writers, stepDowns = 4, 3
	urls := natstest.ServeThree(t)
	admin := open(t, natsstore.Options{URL: urls}).Conn()
	var acked atomic.Int64
	ctx, done := context.WithCancel(patient(t))
	var wg sync.WaitGroup
	for w := range writers {
		store := open(t, natsstore.Options{URL: urls})
		wg.Go(func() { count(t, ctx, store, fmt.Sprintf("n.w%d.1", w), &acked) })
	}
	for range stepDowns {
		from := acked.Load()
		until(t, "writes", func() bool { return acked.Load() > from+50 })
		m, err := admin.RequestWithContext(patient(t), "$JS.API.STREAM.LEADER.STEPDOWN.KV_clstr_members", nil)
		if err != nil || strings.Contains(string(m.Data), `"error"`) {
			t.Errorf("step down: %v, %s", err, m.Data)
		}
	}
	from := acked.Load()
	until(t, "writes", func() bool { return acked.Load() > from+50 })
	done()
	wg.Wait()
}

// count writes the numbers from one until ctx ends, and looks whether a write
// is there if it does not know how the write ended.
func count(t *testing.T, ctx context.Context, store *natsstore.Store, key string, acked *atomic.Int64) {
	var rev uint64
	last := 0
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		got, err := store.Write(try, key, rev, []byte(strconv.Itoa(last+1)))
		cancel()
		if err == nil {
			rev, last = got, last+1
			acked.Add(1)
			continue
		}
		e := settled(t, store, key, rev)
		switch n, _ := strconv.Atoi(string(e.Value)); {
		case n == last && e.Rev == rev:
		case n == last+1 && e.Rev > rev: // this try, or an earlier one of unknown end
			rev, last = e.Rev, n
		default:
			t.Errorf("%s is %d at %d, after an acknowledged %d at %d (%v)", key, n, e.Rev, last, rev, err)
			return
		}
	}
	if e := settled(t, store, key, rev); string(e.Value) != strconv.Itoa(last) && string(e.Value) != strconv.Itoa(last+1) {
		t.Errorf("%s is %q at the end, after an acknowledged %d", key, e.Value, last)
	}
}

// settled reads until the answer is not older than what is known.
func settled(t *testing.T, store *natsstore.Store, key string, atLeast uint64) (e membership.Entry) {
	until(t, "an answer about "+key, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		var err error
		e, err = store.Read(ctx, key)
		return err == nil && e.Rev >= atLeast
	})
	return e
}
