// Open and Commit: what is written

package sqlstate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/clstr-go/clstr/state"
)

const (
	groupChanges = 500
	groupBytes   = 1 << 20
	// groupTime bounds a transaction: after that its changes are in doubt.
	groupTime = 10 * time.Second
	sameMail  = 2 * time.Minute // how long the ID of mail is known
	// sweepEvery is how often ended entries are removed.
	sweepEvery = 10 * time.Second
)

// row is what the database keeps for a shard.
type row struct {
	fence state.Fence
	at    state.Rev // of the fence
	rev   state.Rev // the newest
	moved bool
}

// lockRows locks the rows of shards, in order, and makes those that are not there. now is the
// time of the database's clock.
func (db *database) lockRows(ctx context.Context, tx *sql.Tx, shards []uint32) (rows map[uint32]*row, now int64, err error) {
	slices.Sort(shards)
	shards = slices.Compact(shards)
	marks, args := db.list(shards)
	rows = map[uint32]*row{}
	query := db.rebind("SELECT shard, cluster, epoch, n, mark, at, rev, " + db.now + " FROM clstr_fence WHERE shard " + marks + " ORDER BY shard" + db.lock)
	for try := range 2 {
		found, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return nil, 0, err
		}
		for found.Next() {
			var r row
			var shard uint32
			if err := found.Scan(&shard, &r.fence.Cluster, &r.fence.Epoch, &r.fence.N, &r.fence.By, &r.at, &r.rev, &now); err != nil {
				return nil, 0, errors.Join(err, found.Close())
			}
			rows[shard] = &r
		}
		if err := errors.Join(found.Err(), found.Close()); err != nil {
			return nil, 0, err
		}
		if len(rows) == len(shards) {
			return rows, now, nil
		}
		if try == 0 {
			var missing [][]any
			for _, shard := range shards {
				missing = append(missing, []any{int64(shard), "", int64(0), int64(0), "", int64(0), int64(0)})
			}
			if err := db.insertAll(ctx, tx, fenceTable, " ON CONFLICT DO NOTHING", missing); err != nil {
				return nil, 0, err
			}
		}
	}
	return nil, 0, fmt.Errorf("%d of %d shards have a fence", len(rows), len(shards))
}

// saveRows writes back the rows that have changed, in one statement.
func (db *database) saveRows(ctx context.Context, tx *sql.Tx, rows map[uint32]*row) error {
	var moved [][]any
	for _, shard := range slices.Sorted(maps.Keys(rows)) {
		if r := rows[shard]; r.moved {
			moved = append(moved, []any{int64(shard), r.fence.Cluster, int64(r.fence.Epoch), int64(r.fence.N), r.fence.By, int64(r.at), int64(r.rev)})
		}
	}
	return db.insertAll(ctx, tx, fenceTable, " ON CONFLICT (shard) DO UPDATE SET cluster = excluded.cluster, epoch = excluded.epoch, n = excluded.n, mark = excluded.mark, at = excluded.at, rev = excluded.rev", moved)
}

// Open implements [state.Store].
func (s *Store) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (t state.Token, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		rows, _, err := s.lockRows(ctx, tx, []uint32{shard})
		if err != nil {
			return err
		}
		r := rows[shard]
		next, err := r.fence.Move(shard, o, held)
		if err != nil {
			return err
		}
		if held == (state.Token{}) {
			if err := s.admit(ctx, tx, o); err != nil {
				return err
			}
		}
		r.rev++
		r.fence, r.at, r.moved = next, r.rev, true
		t = next.Token(shard, r.rev)
		return s.saveRows(ctx, tx, rows)
	})
	if err != nil {
		return state.Token{}, fmt.Errorf("opening shard %d: %w", shard, err)
	}
	return t, nil
}

// admit checks the signature, and renews it. Where nothing changes its row is not kept: shards
// open side by side.
func (s *Store) admit(ctx context.Context, tx *sql.Tx, o state.Owner) error {
	for _, lock := range []string{"", s.lock} {
		var sign state.Signature
		if err := tx.QueryRowContext(ctx, "SELECT cluster, layout FROM clstr_sign WHERE id = 1"+lock).Scan(&sign.Cluster, &sign.Layout); err != nil {
			return err
		}
		s.adopt.Lock()
		next, err := sign.Admit(o, s.adopt.on)
		s.adopt.Unlock()
		if err != nil || next == sign {
			return err
		}
		if lock == "" && s.postgres {
			continue // once more; no other transaction changes it meanwhile
		}
		if _, err := tx.ExecContext(ctx, s.rebind("UPDATE clstr_sign SET cluster = ?, layout = ? WHERE id = 1"), next.Cluster, next.Layout); err != nil {
			return err
		}
		if next.Cluster != sign.Cluster {
			s.adopt.Lock()
			s.adopt.on = false
			s.adopt.Unlock()
		}
		return nil
	}
	return nil
}

// Commit implements [state.Store].
func (s *Store) Commit(c state.Change, done func(state.Rev, error)) { s.group.Commit(c, done) }

// together stores changes in one transaction.
func (s *Store) together(cs []state.Change) []state.Result {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	results := make([]state.Result, len(cs))
	sure := true // nothing is stored if the transaction fails
	tx, err := s.BeginTx(ctx, nil)
	if err == nil {
		if err = s.storeIn(ctx, tx, cs, results); err == nil {
			sure = false
			err = tx.Commit()
		} else {
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}
	if err == nil {
		return results
	}
	if sure {
		err = refusal(err)
	}
	for i := range results {
		if results[i].Err == nil {
			results[i] = state.Result{Err: err}
		}
	}
	return results
}

func (s *Store) storeIn(ctx context.Context, tx *sql.Tx, cs []state.Change, results []state.Result) error {
	var shards []uint32
	for _, c := range cs {
		shards = append(shards, c.Token.Shard)
		for _, m := range c.Mail {
			shards = append(shards, m.Shard)
		}
	}
	rows, now, err := s.lockRows(ctx, tx, shards)
	if err != nil {
		return err
	}
	var entries []state.Entry
	var drops []state.Change
	for i, c := range cs {
		own := rows[c.Token.Shard]
		if own.fence.Token(c.Token.Shard, own.at) != c.Token {
			results[i].Err = fmt.Errorf("%w: shard %d was opened in epoch %d", state.ErrDeposed, c.Token.Shard, own.fence.Epoch)
			continue
		}
		for _, e := range state.Entries(c) {
			r := rows[e.Shard]
			r.rev++
			r.moved = true
			e.Rev, e.Time = r.rev, time.UnixMicro(now)
			if results[i].Rev == 0 {
				results[i].Rev = e.Rev
			}
			entries = append(entries, e)
		}
		drops = append(drops, c)
	}
	if err := s.insert(ctx, tx, entries); err != nil {
		return err
	}
	for _, c := range drops {
		for _, d := range c.Drop {
			if _, err := tx.ExecContext(ctx, s.rebind("DELETE FROM clstr_list WHERE place = ? AND shard = ? AND rev = ?"), int(d.Place), int64(c.Token.Shard), int64(d.Rev)); err != nil {
				return err
			}
		}
	}
	if err := s.sweep(ctx, tx, now); err != nil {
		return err
	}
	if err := s.tell(ctx, tx, rows); err != nil {
		return err
	}
	return s.saveRows(ctx, tx, rows)
}

// sweep removes entries that have ended, now and then.
func (s *Store) sweep(ctx context.Context, tx *sql.Tx, now int64) error {
	if now-s.swept < sweepEvery.Microseconds() {
		return nil
	}
	s.swept = now // by the group's goroutine alone
	for _, table := range []string{"clstr_newest", "clstr_list"} {
		if _, err := tx.ExecContext(ctx, s.rebind("DELETE FROM "+table+" WHERE ttl > 0 AND stored + ttl < ?"), now); err != nil {
			return err
		}
	}
	return nil
}

// longestHint is how many bytes of a notification are used: PostgreSQL takes 8,000.
const longestHint = 7000

// tell sends a notification that names all shards of the group.
func (db *database) tell(ctx context.Context, tx *sql.Tx, rows map[uint32]*row) error {
	if !db.notify {
		return nil
	}
	var hint []byte
	for shard, r := range rows {
		if r.moved {
			hint = fmt.Appendf(hint, "%d ", shard)
		}
	}
	if len(hint) > longestHint {
		hint = []byte("-1") // all
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, string(hint))
	return err
}

// insert stores entries, many in one statement.
func (db *database) insert(ctx context.Context, tx *sql.Tx, entries []state.Entry) error {
	var newest, list [][]any
	for _, e := range entries {
		row := []any{int64(e.Place), int64(e.Shard), []byte(e.Kind), []byte(e.Key), int64(e.Rev), e.Time.UnixMicro(), e.TTL.Microseconds(), string(e.Head()), e.Body()}
		switch {
		case e.Place == state.Reminders && len(e.Reminders) == 0:
			if _, err := tx.ExecContext(ctx, db.rebind("DELETE FROM clstr_newest WHERE place = ? AND shard = ? AND kind = ? AND entity = ?"), row[:4]...); err != nil {
				return err
			}
		case e.Place == state.Records || e.Place == state.Reminders:
			newest = append(newest, row)
		default:
			list = append(list, row)
		}
	}
	err := db.insertAll(ctx, tx, newestTable, " ON CONFLICT (place, shard, kind, entity) DO UPDATE SET rev = excluded.rev, stored = excluded.stored, ttl = excluded.ttl, head = excluded.head, body = excluded.body", newest)
	if err == nil {
		err = db.insertAll(ctx, tx, listTable, "", list)
	}
	return err
}
