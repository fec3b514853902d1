// Store: Open and how it waits, Close

package natsstate

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

var _ state.Store = (*Store)(nil)

// Store is a [state.Store]. Make one with [Open].
type Store struct {
	*fences
	*commits
	*reads
	*watches
	opts Options
	log  *slog.Logger
	nc   *nats.Conn
	mux  *mux
	gate natsdial.Gate
	// waits is the mux for handlers of the connection: they may be called before it is there, and
	// the watches with it.
	waits atomic.Pointer[mux]

	closed  atomic.Bool
	closing sync.Once
}

// Open connects to NATS and makes the cluster's streams, or finds them. It waits for
// a server and for a leader of JetStream until ctx ends: then it returns
// outcome.ErrDisconnected, and says what it waited for. It returns at once the errors that
// waiting does not mend: outcome.ErrBadOption, outcome.ErrNotPermitted,
// [ErrServerVersion], [ErrNoJetStream] and [ErrStream].
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Store{opts: opts, log: opts.Log}
	wait := natsdial.Wait{For: "the store of state", Mend: mends, Say: s.sayWaits}
	if err := wait.Until(ctx, s.connect); err != nil {
		return nil, err
	}
	n := namesOf(opts.Prefix)
	grouped := false
	err := error(nil)
	if !opts.Client {
		st := &streams{names: n, opts: opts, nc: s.nc}
		if st.js, err = jetstream.New(s.nc); err == nil {
			err = wait.Until(ctx, st.open)
		}
		grouped = st.grouped
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	floors := &floors{of: map[uint32]state.Rev{}}
	s.fences = &fences{names: n, mux: s.mux, floors: floors, adopt: opts.Adopt, client: opts.Client}
	s.commits = newCommits(n, s.mux, floors, grouped, opts.Client)
	s.reads = &reads{names: n, mux: s.mux, floors: floors, client: opts.Client}
	return s, nil
}

// floors has the newest revision of each shard that this store knows of. A read shows nothing older.
type floors struct {
	mu sync.Mutex
	of map[uint32]state.Rev
}

func (f *floors) raise(shard uint32, rev state.Rev) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of[shard] = max(f.of[shard], rev)
}

func (f *floors) get(shard uint32) state.Rev {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of[shard]
}

// connect makes the store's connection.
func (s *Store) connect(ctx context.Context, _ time.Duration) error {
	nc, err := s.opts.store().Connect(ctx, natsdial.Hear(&s.gate, func(_ *nats.Subscription, err error) { s.heard(err) }, s.lost, s.back))
	if err != nil {
		return err
	}
	m, err := newMux(nc, &s.gate)
	if err != nil {
		nc.Close()
		return err
	}
	s.nc, s.mux = nc, m
	s.watches = &watches{names: namesOf(s.opts.Prefix), nc: nc, all: map[*watch]struct{}{}}
	s.waits.Store(m)
	return nil
}

func (s *Store) lost(err error) {
	switch {
	case s.closed.Load():
	case s.gate.Held():
		s.log.Info("the NATS server of the store of state announces its end: connecting to another")
	default:
		s.log.Warn("the connection to the store of state is lost", slog.Any("error", err))
	}
	if m := s.waits.Load(); m != nil {
		m.failAll("", errCut)
	}
}

func (s *Store) back() {
	s.log.Info("connected to the store of state again")
	if s.waits.Load() != nil {
		s.watches.missed()
	}
}

// heard takes the errors that nats.go tells no caller.
func (s *Store) heard(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		s.log.Warn("NATS reports an error", slog.Any("error", err))
		if errors.Is(err, nats.ErrSlowConsumer) && s.waits.Load() != nil {
			s.watches.missed()
		}
		return
	}
	s.log.Error("not permitted by the server", slog.Any("error", err))
	if m := s.waits.Load(); m != nil {
		switch subject := denied(err); subject {
		case "": // a subscription; that of the answers leaves all without one
			m.failAll("", outcome.Errorf(outcome.ErrNotPermitted, "%v", err))
		default:
			m.failAll(subject, outcome.Errorf(outcome.ErrNotPermitted, "%v", err))
		}
	}
}

func (s *Store) sayWaits(err error) {
	s.log.Warn("waiting for the store of state", slog.Any("error", err))
}

// mends reports whether waiting may mend an error.
func mends(err error) bool {
	return errors.Is(err, errWait) || errors.Is(err, errNoAnswer) || errors.Is(err, errCut) || errors.Is(err, context.DeadlineExceeded)
}

// Close ends the watches and the connection. Changes under way end in doubt. It returns nil. A
// further Close waits for the first. It must not be called from a done or a watch.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.closing.Do(s.end)
	return nil
}

func (s *Store) end() {
	if s.watches != nil {
		s.watches.close()
	}
	s.mux.close()
	s.gate.Close()
	if s.commits != nil {
		s.commits.close()
	}
	s.nc.Close()
	sparse.Flush(s.log)
}

// Conn returns the store's connection, to look at it.
func (s *Store) Conn() *nats.Conn { return s.nc }

func seqOf(h nats.Header, name string) uint64 {
	n, _ := strconv.ParseUint(said(h, name), 10, 64)
	return n
}
