// Options, and Open

package sqlstate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/clstr-go/clstr/state"
)

// ErrBadOption: an option is missing or has a bad value; the message names it.
var ErrBadOption = errors.New("bad option")

// Options configures a store. URL is required.
type Options struct {
	// URL is "postgres://..." in the form of libpq, or "sqlite:" and a file's path.
	URL string
	// Adopt lets the first cluster that opens a shard take over the state of another cluster.
	Adopt bool
	// Poll is how often watches ask the database. 0 = 1 s.
	Poll time.Duration
	// NoNotify turns off the notifications of PostgreSQL: watches only poll.
	NoNotify bool
	// Connections is how many connections the store uses at most, beside the one that listens. 0 = 8.
	Connections int
	// Log gets the faults that no caller is told. nil = slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Connections == 0 {
		o.Connections = 8
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.URL == "":
		return fmt.Errorf("%w: URL is required", ErrBadOption)
	case o.Poll < 0:
		return fmt.Errorf("%w: Poll %v: more than 0, or 0 for 1s", ErrBadOption, o.Poll)
	case o.Connections < 0:
		return fmt.Errorf("%w: Connections %d: at least 1, or 0 for 8", ErrBadOption, o.Connections)
	}
	return nil
}

var _ state.Store = (*Store)(nil)

// Store is a [state.Store]. Make one with [Open].
type Store struct {
	*database
	*watches
	group *state.Group
	swept int64 // when ended entries were last removed, in microseconds
	adopt struct {
		sync.Mutex
		on bool
	}
}

// database is the database that all parts of a store ask.
type database struct {
	dialect
	*sql.DB
	url    string
	notify bool
}

// dialect is where databases differ.
type dialect struct {
	postgres bool
	lock     string // behind a SELECT whose rows are to be kept
	bytes    string // a type
	now      string // microseconds since 1970
}

var (
	postgres = dialect{true, " FOR UPDATE", "BYTEA", "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT"}
	sqlite   = dialect{false, "", "BLOB", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"}
)

// rebind numbers the parameters of a statement where the database wants that.
func (d dialect) rebind(query string) string {
	if !d.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Open connects, and makes the tables that are not there. It ends with ctx.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	db := &database{url: opts.URL}
	driver, dsn := "", ""
	switch scheme, rest, _ := strings.Cut(opts.URL, ":"); scheme {
	case "postgres", "postgresql":
		db.dialect, driver, dsn, db.notify = postgres, "pgx", opts.URL, !opts.NoNotify
	case "sqlite":
		query := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
		db.dialect, driver, dsn = sqlite, "sqlite", "file:"+rest+"?"+query.Encode()
	default:
		return nil, fmt.Errorf("%w: URL %q: postgres: or sqlite: is the beginning of one", ErrBadOption, scheme)
	}
	var err error
	if db.DB, err = sql.Open(driver, dsn); err != nil {
		return nil, fmt.Errorf("%w: URL: %v", ErrBadOption, err)
	}
	db.SetMaxOpenConns(opts.Connections)
	db.SetMaxIdleConns(opts.Connections)
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the store of state: %w", err), db.Close())
	}
	s := &Store{database: db}
	s.adopt.on = opts.Adopt
	s.group = state.NewGroup(groupChanges, groupBytes, s.store)
	s.watches = newWatches(db, opts)
	return s, nil
}

// prepare makes the tables that are not there. Nodes may do so at the same moment. If all tables
// are there, prepare locks nothing, because other nodes write meanwhile.
func (db *database) prepare(ctx context.Context) error {
	if there, err := db.there(ctx, db.DB); there || err != nil {
		return err
	}
	return db.within(ctx, func(tx *sql.Tx) error {
		if db.postgres { // one after the other: its IF NOT EXISTS is not for several
			if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7305239)"); err != nil {
				return err
			}
		}
		if there, err := db.there(ctx, tx); there || err != nil {
			return err
		}
		return db.tables(ctx, tx)
	})
}

// there reports whether the last of what tables makes is there, and so all of it.
func (db *database) there(ctx context.Context, in interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (there bool, err error) {
	query := "SELECT COUNT(*) > 0 FROM sqlite_master WHERE name = 'clstr_mail_stored'"
	if db.postgres {
		query = "SELECT to_regclass('clstr_mail_stored') IS NOT NULL"
	}
	err = in.QueryRowContext(ctx, query).Scan(&there)
	return there, err
}

func (db *database) tables(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS clstr_sign (id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, layout TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS clstr_fence (shard BIGINT PRIMARY KEY, cluster TEXT NOT NULL, epoch BIGINT NOT NULL,
			n BIGINT NOT NULL, mark TEXT NOT NULL, at BIGINT NOT NULL, rev BIGINT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS clstr_newest (place INTEGER NOT NULL, shard BIGINT NOT NULL, kind BYTES NOT NULL, entity BYTES NOT NULL,
			rev BIGINT NOT NULL, stored BIGINT NOT NULL, ttl BIGINT NOT NULL, head TEXT NOT NULL, body BYTES, PRIMARY KEY (place, shard, kind, entity))`,
		`CREATE INDEX IF NOT EXISTS clstr_newest_rev ON clstr_newest (place, shard, rev)`,
		`CREATE INDEX IF NOT EXISTS clstr_newest_ttl ON clstr_newest ((stored + ttl)) WHERE ttl > 0`,
		`CREATE TABLE IF NOT EXISTS clstr_list (place INTEGER NOT NULL, shard BIGINT NOT NULL, kind BYTES NOT NULL, entity BYTES NOT NULL,
			rev BIGINT NOT NULL, stored BIGINT NOT NULL, ttl BIGINT NOT NULL, head TEXT NOT NULL, body BYTES, PRIMARY KEY (place, shard, rev))`,
		`CREATE INDEX IF NOT EXISTS clstr_list_entity ON clstr_list (place, shard, kind, entity, rev)`,
		`CREATE INDEX IF NOT EXISTS clstr_list_ttl ON clstr_list ((stored + ttl)) WHERE ttl > 0`,
		`CREATE TABLE IF NOT EXISTS clstr_mail (shard BIGINT NOT NULL, id BYTES NOT NULL, rev BIGINT NOT NULL, stored BIGINT NOT NULL, PRIMARY KEY (shard, id))`,
		`INSERT INTO clstr_sign (id, cluster, layout) VALUES (1, '', '') ON CONFLICT DO NOTHING`,
		`CREATE INDEX IF NOT EXISTS clstr_mail_stored ON clstr_mail (stored)`,
	} {
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(statement, "BYTES", db.bytes)); err != nil {
			return err
		}
	}
	return nil
}

// within runs a transaction: it is rolled back if f fails.
func (db *database) within(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// Close refuses further changes, waits for those that were accepted, and ends the watches and the connections. A
// further Close does nothing. It must not be called from a done or a watch.
func (s *Store) Close() error {
	s.group.Close()
	s.watches.close()
	return s.DB.Close()
}
