// Many rows in one statement

package sqlstate

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// table is where rows go, with the types of its columns in PostgreSQL.
type table struct {
	name, columns string
	types         []string
}

var (
	fenceTable  = table{"clstr_fence", "shard, cluster, epoch, n, mark, at, rev", strings.Fields("bigint text bigint bigint text bigint bigint")}
	newestTable = table{"clstr_newest", entryColumns, entryTypes}
	listTable   = table{"clstr_list", entryColumns, entryTypes}
)

const entryColumns = "place, shard, kind, entity, rev, stored, ttl, head, body"

var entryTypes = strings.Fields("bigint bigint bytea bytea bigint bigint bigint text bytea")

// rowsAtOnce is how many rows go into one statement of SQLite, which bounds parameters.
const rowsAtOnce = 1000

// insertAll inserts rows. PostgreSQL gets a column in an array, so that a statement is the same, and
// planned once, for any number of rows.
func (db *database) insertAll(ctx context.Context, tx *sql.Tx, t table, tail string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	into := "INSERT INTO " + t.name + " (" + t.columns + ") "
	if db.postgres {
		params, args := make([]string, len(t.types)), make([]any, len(t.types))
		for i, typ := range t.types {
			params[i], args[i] = fmt.Sprintf("$%d::%s[]", i+1, typ), column(rows, i, typ)
		}
		_, err := tx.ExecContext(ctx, into+"SELECT * FROM unnest("+strings.Join(params, ", ")+")"+tail, args...)
		return err
	}
	one := ", (?" + strings.Repeat(", ?", len(t.types)-1) + ")"
	for some := range slices.Chunk(rows, rowsAtOnce) {
		if _, err := tx.ExecContext(ctx, into+"VALUES "+strings.Repeat(one, len(some))[2:]+tail, slices.Concat(some...)...); err != nil {
			return err
		}
	}
	return nil
}

func column(rows [][]any, i int, typ string) any {
	switch typ {
	case "bigint":
		return values[int64](rows, i)
	case "text":
		return values[string](rows, i)
	default:
		return values[[]byte](rows, i)
	}
}

func values[T any](rows [][]any, i int) []T {
	vs := make([]T, len(rows))
	for n, row := range rows {
		vs[n] = row[i].(T)
	}
	return vs
}

// list is a condition for a column that is one of some shards, with its parameters.
func (db *database) list(shards []uint32) (string, []any) {
	ids, args := make([]int64, len(shards)), make([]any, len(shards))
	for i, shard := range shards {
		ids[i], args[i] = int64(shard), int64(shard)
	}
	if db.postgres {
		return "= ANY(?)", []any{ids}
	}
	return "IN (" + strings.Repeat(", ?", len(args))[2:] + ")", args
}
