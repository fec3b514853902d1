//go:build postgres

package sqlstate_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/oncetest"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/sqlstate"
	"github.com/clstr-go/clstr/state/statetest"
	"github.com/clstr-go/clstr/testkit"
)

var schemas atomic.Int64

// postgres makes an empty schema on the server that .ci/sql/check has started, and returns
// its URL.
func postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv("CLSTR_POSTGRES")
	if base == "" {
		t.Fatal("CLSTR_POSTGRES names no server: .ci/sql/check starts one")
	}
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("s%d_%d", os.Getpid(), schemas.Add(1))
	if _, err := db.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// harness opens stores that poll once an hour: what watches see comes by NOTIFY; or without
// it, and soon.
func harness(notify bool) statetest.Harness {
	return statetest.Harness{New: func(t *testing.T) func(bool) state.Store {
		o := sqlstate.Options{URL: postgres(t), Poll: time.Hour, NoNotify: !notify, Connections: 3}
		if !notify {
			o.Poll = 5 * time.Millisecond
		}
		return func(adopt bool) state.Store {
			o := o
			o.Adopt = adopt
			return open(t, o)
		}
	}}
}

func TestPostgres(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, harness(true))
}

func TestPostgresWithoutNotify(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, harness(false))
}

// Without notifications a watch polls.
func TestPostgresWatch(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, notify := range []bool{true, false} {
		watchtest.Run(t, watchtest.Harness{New: func(t *testing.T) (node, client func() state.Store) {
			stores := harness(notify).New(t)
			one := func() state.Store { return stores(false) }
			return one, one
		}})
	}
}

func TestPostgresOnce(t *testing.T) {
	testkit.CheckLeaks(t)
	oncetest.Run(t, oncetest.Harness{New: func(t *testing.T) func() state.Store {
		stores := harness(true).New(t)
		return func() state.Store { return stores(false) }
	}})
}

// Nodes open the store at once, and each makes the tables.
func TestPostgresIsOpenedAtOnce(t *testing.T) {
	url := postgres(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := sqlstate.Open(context.Background(), sqlstate.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A node that starts beside others that write disturbs none of them.
func TestPostgresIsOpenedUnderLoad(t *testing.T) {
	url := postgres(t)
	s := open(t, sqlstate.Options{URL: url})
	token := fenced(t, s)
	end := make(chan struct{})
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				c := set(token, fmt.Sprint(k), n)
				c.Events = []state.Event{{Number: n}}
				if err := commit(s, c); err != nil {
					t.Errorf("change %d: %v", n, err)
					return
				}
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	for range 30 {
		another, err := sqlstate.Open(t.Context(), sqlstate.Options{URL: url})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := another.Append(t.Context(), state.Mail{Shard: 7, Kind: "account", Key: "a", ID: "1"}); err != nil {
			t.Error(err)
		}
		if err := another.Close(); err != nil {
			t.Error(err)
		}
	}
	close(end)
	wg.Wait()
}

// All connections are cut: what was on its way is in doubt, the store goes on, and so do its
// watches.
func TestPostgresCutsConnections(t *testing.T) {
	url := postgres(t)
	s := open(t, sqlstate.Options{URL: url, Poll: time.Hour})
	token := fenced(t, s)
	seen := make(chan state.Entry, 1000)
	stop, err := s.Watch(state.Range{Shard: 7}, func(e state.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	admin, err := sql.Open("pgx", os.Getenv("CLSTR_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := commit(s, set(token, "a", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"); err != nil {
		t.Fatal(err)
	}
	n := uint64(2)
	for {
		if err = commit(s, set(token, "a", n)); err == nil {
			break
		}
		if state.Refused(err) {
			t.Fatalf("a connection that was cut: %v", err)
		}
		token, err = s.Open(t.Context(), 7, state.Owner{}, token)
		for err != nil {
			token, err = s.Open(t.Context(), 7, state.Owner{}, token)
		}
		es, _, err := s.Read(t.Context(), token, state.Range{Shard: 7, Kind: "account", Key: "a"})
		if err != nil || len(es) != 1 {
			t.Fatal(es, err)
		}
		n = es[0].Record.Number + 1
	}
	for e := range seen {
		if e.Record.Number == n {
			break
		}
	}
}

// Nodes that store mail for each other's shards keep the rows in one order: none ends in a
// deadlock.
func TestPostgresMailBothWays(t *testing.T) {
	url := postgres(t)
	var wg sync.WaitGroup
	for shard := range uint32(4) {
		s := open(t, sqlstate.Options{URL: url, NoNotify: true, Connections: 2})
		token, err := s.Open(t.Context(), shard, state.Owner{}, state.Token{})
		if err != nil {
			t.Fatal(err)
		}
		for k := range 4 {
			wg.Go(func() {
				for n := range uint64(25) {
					c := set(token, fmt.Sprint(shard, ".", k), n+1)
					for to := range uint32(4) {
						c.Mail = append(c.Mail, state.Mail{Shard: (shard + to) % 4, Kind: "account", Key: "b"})
					}
					if err := commit(s, c); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	s := open(t, sqlstate.Options{URL: url})
	for shard := range uint32(4) {
		es, more, err := s.Read(t.Context(), state.Token{}, state.Range{Place: state.Mails, Shard: shard, Most: 1000})
		if err != nil || more || len(es) != 4*4*25 {
			t.Errorf("shard %d has %d mails, %v, want 400", shard, len(es), err)
		}
	}
}

// BenchmarkPostgres: 64 callers, each waiting for its own change; beside 64 that each run a
// transaction of their own, with the same fence, on a connection of their own.
func BenchmarkPostgres(b *testing.B) {
	for _, notify := range []bool{false, true} {
		b.Run(fmt.Sprintf("groups/notify=%v", notify), func(b *testing.B) {
			s := open(b, sqlstate.Options{URL: postgres(b), NoNotify: !notify})
			var tokens []state.Token
			for shard := range uint32(64) {
				token, err := s.Open(b.Context(), shard, state.Owner{}, state.Token{})
				if err != nil {
					b.Fatal(err)
				}
				tokens = append(tokens, token)
			}
			b.ResetTimer()
			callers(b, func(caller int, n uint64) error {
				c := set(tokens[caller], fmt.Sprint(caller), n)
				c.Record.State = []byte(strings.Repeat("x", 256))
				return commit(s, c)
			})
		})
	}
	b.Run("yardstick", func(b *testing.B) {
		url := postgres(b)
		s := open(b, sqlstate.Options{URL: url})
		for shard := range uint32(64) {
			if _, err := s.Open(b.Context(), shard, state.Owner{}, state.Token{}); err != nil {
				b.Fatal(err)
			}
		}
		db, err := sql.Open("pgx", url)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(64)
		db.SetMaxIdleConns(64)
		body := []byte(strings.Repeat("x", 256))
		b.ResetTimer()
		callers(b, func(caller int, n uint64) error {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var fence int64
			if err := tx.QueryRow("SELECT n FROM clstr_fence WHERE shard = $1 FOR SHARE", caller).Scan(&fence); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO clstr_newest (place, shard, kind, entity, rev, stored, ttl, head, body) VALUES (0, $1, 'account', $2, $3, 0, 0, '{"n":1}', $4)
				ON CONFLICT (place, shard, kind, entity) DO UPDATE SET rev = excluded.rev, body = excluded.body`, caller, []byte(fmt.Sprint(caller)), int64(n), body); err != nil {
				return err
			}
			return tx.Commit()
		})
	})
}

func callers(b *testing.B, do func(caller int, n uint64) error) {
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			for n := range uint64(b.N/64 + 1) {
				if err := do(caller, n+1); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
