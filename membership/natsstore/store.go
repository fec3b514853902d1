// Store: Open and how it waits, Close, Reconnect, Make

package natsstore

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/internal/natsdial"
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

// Store is a [membership.Store]. Make one with [Open].
type Store struct {
	link      *link
	bucket    *bucket
	snapshots snapshots
	watches   watches
}

// Open connects to NATS and makes the cluster's bucket, or finds it. It waits until ctx
// ends for a server and for a leader of JetStream. Then it returns
// outcome.ErrDisconnected and says what it waited for. Errors that waiting does not
// mend are returned at once: outcome.ErrBadOption, outcome.ErrNotPermitted,
// [ErrServerVersion], [ErrNoJetStream] and [ErrBucket].
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.store().Validate(); err != nil {
		return nil, err
	}
	l := &link{opts: opts, log: opts.Log, calls: map[*call]struct{}{}}
	name := bucketOf(opts.Prefix)
	st := &stream{link: l, bucket: name, name: streamOf(name), subjects: subjectsOf(name), markerTTL: markerTTL}
	s := &Store{link: l, bucket: &bucket{st, eventsOf(opts.Prefix)}, snapshots: snapshots{stream: st}}
	wait := natsdial.Wait{For: "the store of members", Mend: mends, Say: l.sayWaits}
	if err := wait.Until(ctx, l.connect); err != nil {
		return nil, err
	}
	if err := wait.Until(ctx, s.bucket.open); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// mends reports whether waiting may mend an error.
func mends(err error) bool {
	return errors.Is(err, errWait) || errors.Is(err, outcome.ErrConnectionLost) || errors.Is(err, context.DeadlineExceeded)
}

// errWait marks errors that time may mend.
var errWait = errors.New("wait")

// Close ends the watches and the connection. Calls that wait end with
// outcome.ErrTransportClosed. Close returns nil, and a second Close does nothing.
func (s *Store) Close() error {
	s.link.closes()
	for _, w := range s.watches.list() {
		w.stop()
	}
	s.link.nc.Close()
	s.link.gate.Close()
	sparse.Flush(s.link.log)
	return nil
}

// Reconnect implements [membership.ConnectionStore]. Calls that wait for the server end
// with outcome.ErrConnectionLost.
func (s *Store) Reconnect() {
	_ = s.link.nc.ForceReconnect() // fails on a closed connection only
}

// Make makes the bucket anew after it was deleted or lost. If the bucket exists, Make
// does nothing. The nodes of package cluster call it when the lease of every node has
// ended. A user without the right to make a bucket gets an error that names the command
// for it.
func (s *Store) Make(ctx context.Context) error {
	if err := s.bucket.open(ctx, callTimeout); err != nil {
		return err
	}
	for _, w := range s.watches.list() {
		w.anew()
	}
	return nil
}

// Born returns when the bucket was made, by its server's clock.
func (s *Store) Born(ctx context.Context) (time.Time, error) {
	info, err := s.bucket.info(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return info.Created, nil
}
