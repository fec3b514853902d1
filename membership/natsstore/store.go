// Store: Open and how it waits, Close, Reconnect

package natsstore

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

var (
	_ membership.Store           = (*Store)(nil)
	_ membership.ConnectionStore = (*Store)(nil)
)

// callTimeout bounds a call whose context has no deadline.
const callTimeout = 5 * time.Second

// markerTTL is how long the marker of a removed record stays.
const markerTTL = time.Minute

// Store is a [membership.Store]. Make one with [Open].
type Store struct {
	opts      Options
	log       *slog.Logger
	bucket    string
	stream    string
	subjects  string // before a record's key
	events    string // before a record's key
	nc        *nats.Conn
	js        jetstream.JetStream
	inboxes   string        // of the connection, with the last dot
	blocks    atomic.Int64  // of shards; 0: not known
	markerTTL time.Duration // whole seconds

	mu          sync.Mutex
	closed      bool
	calls       map[*call]struct{}
	watches     map[*watch]struct{}
	inboxDenied error
}

// Open connects to NATS and makes the cluster's bucket, or finds it. It waits for
// a server and for a leader of JetStream until ctx ends: then it returns
// outcome.ErrDisconnected, with what it waited for. What waiting does not mend
// it returns at once: outcome.ErrBadOption, outcome.ErrNotPermitted,
// [ErrServerVersion], [ErrNoJetStream] and [ErrBucket].
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	bucket := bucketOf(opts.Prefix)
	s := &Store{
		opts:      opts,
		log:       opts.Log,
		bucket:    bucket,
		stream:    streamOf(bucket),
		subjects:  subjectsOf(bucket),
		events:    eventsOf(opts.Prefix),
		markerTTL: markerTTL,
		calls:     map[*call]struct{}{},
		watches:   map[*watch]struct{}{},
	}
	if err := s.patiently(ctx, s.connect); err != nil {
		return nil, err
	}
	if err := s.patiently(ctx, s.open); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// patiently tries until ctx ends, or something happens that waiting does not mend.
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
			return outcome.Errorf(outcome.ErrDisconnected, "the store of members: %v, %v", cmp.Or(last, err), context.Cause(ctx)).WithCause(context.Cause(ctx))
		}
		last = err
		if !errors.Is(err, errWait) && !errors.Is(err, outcome.ErrDisconnected) && !errors.Is(err, outcome.ErrConnectionLost) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if text := err.Error(); text != said {
			said = text
			s.log.Warn("waiting for the store of members", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// errWait marks what time may mend.
var errWait = errors.New("wait")

// Close ends the watches and the connection. Calls that wait end with
// outcome.ErrTransportClosed. It returns nil, and a further Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	var watches []*watch
	for w := range s.watches {
		watches = append(watches, w)
	}
	s.mu.Unlock()
	for _, w := range watches {
		w.stop()
	}
	s.nc.Close()
	sparse.Flush(s.log)
	return nil
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Reconnect implements [membership.ConnectionStore]. What waits for the server ends with
// outcome.ErrConnectionLost.
func (s *Store) Reconnect() {
	_ = s.nc.ForceReconnect() // fails on a closed connection only
}
