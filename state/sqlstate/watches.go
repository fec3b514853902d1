// Watch: polling, and notifications of PostgreSQL as hints

package sqlstate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clstr-go/clstr/state"
)

// channel is that of PostgreSQL's notifications.
const channel = "clstr_state"

// watches ask the database for what is new.
type watches struct {
	db   *database
	poll time.Duration
	log  *slog.Logger
	ctx  context.Context // ends with the store
	end  context.CancelFunc
	wake chan struct{}
	runs sync.WaitGroup

	mu    sync.Mutex
	all   map[*watch]struct{}
	begun bool
}

// watch is one of them.
type watch struct {
	r   state.Range
	f   func(state.Entry)
	due bool  // there may be something new; under the lock of watches
	saw int64 // the shard's newest revision before the last look; of run alone

	mu    sync.Mutex // held while f runs
	ended bool
}

func newWatches(db *database, opts Options) *watches {
	ws := &watches{db: db, poll: opts.Poll, log: opts.Log, wake: make(chan struct{}, 1), all: map[*watch]struct{}{}}
	ws.ctx, ws.end = context.WithCancel(context.Background())
	return ws
}

// Watch implements [state.Store]. stop waits for a call of f that is under way, so f must not call
// it. If several records of a key were stored between two looks, f hears only of the newest.
func (ws *watches) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	if ws.ctx.Err() != nil {
		return nil, fmt.Errorf("watching shard %d: %w", r.Shard, state.ErrClosed)
	}
	w := &watch{r: r, f: f}
	ctx, cancel := context.WithTimeout(ws.ctx, groupTime)
	defer cancel()
	err = ws.db.QueryRowContext(ctx, ws.db.rebind("SELECT COALESCE(MAX(rev), 0) FROM clstr_fence WHERE shard = ?"), int64(r.Shard)).Scan(&w.r.After)
	if err != nil {
		return nil, fmt.Errorf("watching shard %d: %w", r.Shard, err)
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.all[w] = struct{}{}
	if !ws.begun && ws.ctx.Err() == nil {
		ws.begun = true
		ws.runs.Go(ws.run) // ends with the store
		if ws.db.notify {
			ws.runs.Go(ws.listen) // the same
		}
	}
	return func() {
		ws.mu.Lock()
		delete(ws.all, w)
		ws.mu.Unlock()
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
	}, nil
}

// close has watchers read once more, so that they hear of it.
func (ws *watches) close() {
	ws.end()
	ws.runs.Wait()
	ws.mu.Lock()
	all := slices.Collect(maps.Keys(ws.all))
	ws.mu.Unlock()
	for _, w := range all {
		w.mu.Lock()
		if !w.ended {
			w.f(state.Entry{Place: w.r.Place, Shard: w.r.Shard, Kind: w.r.Kind, Key: w.r.Key})
		}
		w.mu.Unlock()
	}
}

// run looks for what is new, each time that it is told to, and whenever Poll has passed.
func (ws *watches) run() {
	tick := time.NewTicker(ws.poll)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-ws.ctx.Done():
			return
		case <-tick.C:
			all = true
		case <-ws.wake:
		}
		ws.mu.Lock()
		var due []*watch
		for w := range ws.all {
			if all || w.due {
				w.due = false
				due = append(due, w)
			}
		}
		ws.mu.Unlock()
		if err := ws.lookAt(due); err != nil && ws.ctx.Err() == nil {
			ws.log.Warn("a watch of state cannot look", slog.Any("error", err))
		}
	}
}

// lookAt looks for what is new to watches, in shards that have anything new. After an error the rest
// waits for the next tick.
func (ws *watches) lookAt(due []*watch) error {
	if len(due) == 0 {
		return nil
	}
	newest, err := ws.newest()
	if err != nil {
		return err
	}
	for _, w := range due {
		if rev := newest[w.r.Shard]; rev > w.saw {
			if err := ws.look(w); err != nil {
				return err
			}
			w.saw = rev
		}
	}
	return nil
}

// newest returns the newest revision of each shard: one query for all watches.
func (ws *watches) newest() (map[uint32]int64, error) {
	rows, err := ws.db.QueryContext(ws.ctx, "SELECT shard, rev FROM clstr_fence")
	if err != nil {
		return nil, err
	}
	newest := map[uint32]int64{}
	for rows.Next() {
		var shard uint32
		var rev int64
		if err := rows.Scan(&shard, &rev); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		newest[shard] = rev
	}
	return newest, errors.Join(rows.Err(), rows.Close())
}

func (ws *watches) look(w *watch) error {
	const most = 256
	for {
		es, err := ws.db.read(ws.ctx, w.r, most)
		if err != nil {
			return err
		}
		w.mu.Lock()
		for _, e := range es {
			w.r.After = e.Rev
			if !w.ended {
				w.f(e)
			}
		}
		w.mu.Unlock()
		if len(es) < most {
			return nil
		}
	}
}

// hint has the watches of a shard look; -1 is all.
func (ws *watches) hint(shard int64) {
	ws.mu.Lock()
	for w := range ws.all {
		w.due = w.due || shard < 0 || int64(w.r.Shard) == shard
	}
	ws.mu.Unlock()
	select {
	case ws.wake <- struct{}{}:
	default: // it will look
	}
}

// listen hears PostgreSQL's notifications, on a connection of its own.
func (ws *watches) listen() {
	for pause := 100 * time.Millisecond; ws.ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		err := ws.hear()
		if ws.ctx.Err() != nil {
			return
		}
		ws.log.Warn("PostgreSQL's notifications are not heard: watches poll", slog.Any("error", err))
		select {
		case <-ws.ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (ws *watches) hear() error {
	conn, err := pgx.Connect(ws.ctx, ws.db.url)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it may be broken
	}()
	if _, err := conn.Exec(ws.ctx, "LISTEN "+channel); err != nil {
		return err
	}
	ws.hint(-1) // what came before
	for {
		n, err := conn.WaitForNotification(ws.ctx)
		if err != nil {
			return err
		}
		for shard := range strings.FieldsSeq(n.Payload) {
			if id, err := strconv.ParseInt(shard, 10, 64); err == nil {
				ws.hint(id)
			}
		}
	}
}
