// Store: Open and how it waits, Close

package natsstate

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
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
	if err := s.patiently(ctx, s.connect); err != nil {
		return nil, err
	}
	n := namesOf(opts.Prefix)
	grouped := false
	err := error(nil)
	if !opts.Client {
		st := &streams{names: n, opts: opts, nc: s.nc}
		if st.js, err = jetstream.New(s.nc); err == nil {
			err = s.patiently(ctx, st.open)
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
	options := []nats.Option{
		nats.Name(natsdial.Name(s.opts.Name) + " state"),
		nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // credentials may be mended while the node runs
		nats.FlusherTimeout(2 * time.Second),
		nats.ReconnectOnFlusherError(),
	}
	if !s.opts.Client { // apart from inboxes that others may publish to
		options = append(options, nats.CustomInboxPrefix(namesOf(s.opts.Prefix).answers))
	}
	nc, err := natsdial.Dial(ctx, s.opts.URL, append(append(options, s.opts.NATSOptions...), s.listen))
	var parse *url.Error
	var unreachable *net.OpError
	where := natsdial.Redact(s.opts.URL)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return err
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return outcome.Errorf(outcome.ErrNotPermitted, "connecting to %s: %v", where, err)
	case errors.As(err, &parse):
		return outcome.Errorf(outcome.ErrBadOption, "URL %s: %v", where, parse.Err)
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), errors.Is(err, io.EOF), errors.As(err, &unreachable):
		return outcome.Errorf(outcome.ErrDisconnected, "connecting to %s: %v", where, err)
	default:
		return outcome.Errorf(outcome.ErrBadOption, "connecting to %s: %v", where, err)
	}
	m, err := newMux(nc)
	if err != nil {
		nc.Close()
		return err
	}
	s.nc, s.mux = nc, m
	s.watches = &watches{names: namesOf(s.opts.Prefix), nc: nc, all: map[*watch]struct{}{}}
	s.waits.Store(m)
	return nil
}

// listen is the last of the connection's options: it hears what the handlers that
// the user has given hear, and sets what must be.
func (s *Store) listen(o *nats.Options) error {
	o.ReconnectBufSize = -1 // nothing is sent after its caller has gone
	failed, lost, back := o.AsyncErrorCB, o.DisconnectedErrCB, o.ReconnectedCB
	o.AsyncErrorCB = func(nc *nats.Conn, sub *nats.Subscription, err error) {
		s.heard(err)
		if failed != nil {
			failed(nc, sub, err)
		}
	}
	o.DisconnectedErrCB = func(nc *nats.Conn, err error) {
		if !s.closed.Load() {
			s.log.Warn("the connection to the store of state is lost", slog.Any("error", err))
		}
		if m := s.waits.Load(); m != nil {
			m.failAll("", errCut)
		}
		if lost != nil {
			lost(nc, err)
		}
	}
	o.ReconnectedCB = func(nc *nats.Conn) {
		s.log.Info("connected to the store of state again")
		if s.waits.Load() != nil {
			s.watches.missed()
		}
		if back != nil {
			back(nc)
		}
	}
	return nil
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

// patiently tries until ctx ends, or until an error comes that waiting does not mend.
// atMost is how long a try may take: servers that have no leader yet say nothing.
func (s *Store) patiently(ctx context.Context, try func(ctx context.Context, atMost time.Duration) error) error {
	said, last := "", error(nil)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := ctx.Err()
		if err == nil {
			err = try(ctx, 10*pause)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return outcome.Errorf(outcome.ErrDisconnected, "the store of state: %v, %v", cmp.Or(last, err), context.Cause(ctx)).WithCause(context.Cause(ctx))
		}
		last = err
		if !errors.Is(err, errWait) && !errors.Is(err, outcome.ErrDisconnected) && !errors.Is(err, errNoAnswer) && !errors.Is(err, errCut) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if text := err.Error(); text != said {
			said = text
			s.log.Warn("waiting for the store of state", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
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
	if s.commits != nil {
		s.commits.close()
	}
	s.nc.Close()
	sparse.Flush(s.log)
}

// Conn returns the store's connection, to look at it.
func (s *Store) Conn() *nats.Conn { return s.nc }

func seqOf(h nats.Header, name string) uint64 {
	n, _ := strconv.ParseUint(h.Get(name), 10, 64)
	return n
}
