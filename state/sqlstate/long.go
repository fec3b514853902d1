// What a database does not take: names that are too long for PostgreSQL, and more than there is room for

package sqlstate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"

	"github.com/clstr-go/clstr/state"
)

// longNames is how many bytes a kind and a key may have together so that PostgreSQL surely takes them. After it
// has tried to compress an index entry, it takes up to 2,704 bytes.
const longNames = 2500

// isLong reports whether PostgreSQL may refuse a change because a key is too long: the change's own, or one that it sends mail to.
func isLong(c state.Change) bool {
	return slices.ContainsFunc(state.Entries(c), func(e state.Entry) bool { return len(e.Kind)+len(e.Key) > longNames })
}

// store stores a group. A change with a long name goes by itself, because the whole transaction fails if it is refused.
func (s *Store) store(cs []state.Change) []state.Result {
	if !s.postgres || len(cs) == 1 || !slices.ContainsFunc(cs, isLong) {
		return s.together(cs)
	}
	results := make([]state.Result, len(cs))
	var short []state.Change
	var at []int
	for i, c := range cs {
		if isLong(c) {
			results[i] = s.together(cs[i : i+1])[0]
		} else {
			short, at = append(short, c), append(at, i)
		}
	}
	if len(short) > 0 {
		for i, r := range s.together(short) {
			results[at[i]] = r
		}
	}
	return results
}

// refusal returns the error of a transaction that has stored nothing and failed with err. If the database has no room, or a key is too
// long for it, the error says so.
func refusal(err error) error {
	switch {
	case full(err):
		return fmt.Errorf("%w: %w", state.ErrFull, err)
	case tooLong(err):
		return fmt.Errorf("%w: a key is too long: %w", state.ErrTooLarge, err)
	}
	return err
}

func tooLong(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(e.Code, "54") // program limit exceeded
}

// full reports whether a database says that it takes no more.
func full(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "53") && e.Code != "53300" // insufficient resources, but for connections
	}
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		return e.Code()&0xff == 13 // SQLITE_FULL
	}
	return false
}
