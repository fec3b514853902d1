// Append: mail that others send

package sqlstate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/state"
)

// Append implements [state.Store].
func (s *Store) Append(ctx context.Context, m state.Mail) (rev state.Rev, err error) {
	if err := m.Check(); err != nil {
		return 0, err
	}
	names, err := json.Marshal([][]byte{[]byte(m.Kind), []byte(m.Key), []byte(m.ID)})
	if err != nil {
		return 0, err
	}
	id := sha256.Sum256(names)
	err = s.within(ctx, func(tx *sql.Tx) error {
		rows, now, err := s.lockRows(ctx, tx, []uint32{m.Shard})
		if err != nil {
			return err
		}
		r := rows[m.Shard]
		if m.ID != "" {
			forgotten := now - sameMail.Microseconds()
			if _, err := tx.ExecContext(ctx, s.rebind("DELETE FROM clstr_mail WHERE stored < ?"), forgotten); err != nil {
				return err
			}
			switch err := tx.QueryRowContext(ctx, s.rebind("SELECT rev FROM clstr_mail WHERE shard = ? AND id = ?"), int64(m.Shard), id[:]).Scan(&rev); {
			case err == nil:
				return nil // the same
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
			if _, err := tx.ExecContext(ctx, s.rebind("INSERT INTO clstr_mail (shard, id, rev, stored) VALUES (?, ?, ?, ?)"), int64(m.Shard), id[:], int64(r.rev+1), now); err != nil {
				return err
			}
		}
		r.rev++
		r.moved = true
		rev = r.rev
		e := state.Entry{Place: state.Inbox, Shard: m.Shard, Kind: m.Kind, Key: m.Key, Rev: rev, Time: time.UnixMicro(now), Mail: &m}
		if err := s.insert(ctx, tx, []state.Entry{e}); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, rows); err != nil {
			return err
		}
		return s.saveRows(ctx, tx, rows)
	})
	if tooLong(err) {
		err = refusal(err)
	}
	if err != nil {
		return 0, fmt.Errorf("mail for %s %.64q: %w", m.Kind, m.Key, err)
	}
	return rev, nil
}
