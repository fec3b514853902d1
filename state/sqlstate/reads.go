// Read

package sqlstate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/state"
)

// Read implements [state.Store].
func (s *Store) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if s.watches.ctx.Err() != nil {
		return nil, false, fmt.Errorf("reading %v of shard %d: %w", r.Place, r.Shard, state.ErrClosed)
	}
	if t != (state.Token{}) {
		var f state.Fence
		var at state.Rev
		err := s.QueryRowContext(ctx, s.rebind("SELECT cluster, epoch, n, mark, at FROM clstr_fence WHERE shard = ?"), int64(t.Shard)).Scan(&f.Cluster, &f.Epoch, &f.N, &f.By, &at)
		if err != nil {
			return nil, false, fmt.Errorf("reading the fence of shard %d: %w", t.Shard, err)
		}
		if f.Token(t.Shard, at) != t {
			return nil, false, fmt.Errorf("%w: shard %d was opened in epoch %d", state.ErrDeposed, t.Shard, f.Epoch)
		}
	}
	es, err := s.read(ctx, r, r.Limit()+1)
	if err != nil {
		return nil, false, fmt.Errorf("reading %v of shard %d: %w", r.Place, r.Shard, err)
	}
	return es[:min(len(es), r.Limit())], len(es) > r.Limit(), nil
}

// read returns entries in the order of their revisions.
func (db *database) read(ctx context.Context, r state.Range, most int) ([]state.Entry, error) {
	table := "clstr_list"
	if r.Place == state.Records || r.Place == state.Reminders {
		table = "clstr_newest"
	}
	query := "SELECT kind, entity, rev, stored, ttl, head, body FROM " + table + " WHERE place = ? AND shard = ? AND rev > ? AND (ttl = 0 OR stored + ttl > " + db.now + ")"
	args := []any{int(r.Place), int64(r.Shard), int64(r.After)}
	if r.Of() {
		query += " AND kind = ? AND entity = ?"
		args = append(args, []byte(r.Kind), []byte(r.Key))
	}
	args = append(args, most)
	rows, err := db.QueryContext(ctx, db.rebind(query+" ORDER BY rev LIMIT ?"), args...)
	if err != nil {
		return nil, err
	}
	var es []state.Entry
	for rows.Next() {
		var kind, key, head, body []byte
		var stored, ttl int64
		e := state.Entry{Place: r.Place, Shard: r.Shard}
		if err := rows.Scan(&kind, &key, &e.Rev, &stored, &ttl, &head, &body); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		e.Kind, e.Key, e.Time, e.TTL = string(kind), string(key), time.UnixMicro(stored), time.Duration(ttl)*time.Microsecond
		e.Parse(head, body)
		es = append(es, e)
	}
	return es, errors.Join(rows.Err(), rows.Close())
}
