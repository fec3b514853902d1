// What a Store does with records: Write, Read, Snapshot, Watch

package natsstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/membership"
)

// Write implements [membership.Store].
func (s *Store) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	got, err := s.bucket.publish(ctx, key, rev, value)
	if rev == 0 && errors.Is(err, membership.ErrConflict) {
		// A removed record does not exist, but its marker has a revision.
		at, rerr := s.bucket.stored(ctx, key)
		if rerr != nil || at.Rev == 0 || at.Value != nil {
			return 0, err
		}
		got, err = s.bucket.publish(ctx, key, at.Rev, value)
	}
	if err != nil && !errors.Is(err, membership.ErrConflict) {
		return 0, fmt.Errorf("writing %s: %w", key, err)
	}
	return got, err
}

// Read implements [membership.Store]: it asks the leader of the bucket's stream.
func (s *Store) Read(ctx context.Context, key string) (membership.Entry, error) {
	if err := checkKey(key); err != nil {
		return membership.Entry{}, err
	}
	e, err := s.bucket.stored(ctx, key)
	if err != nil {
		return membership.Entry{}, fmt.Errorf("reading %s: %w", key, err)
	}
	if e.Value == nil {
		e.Rev = 0
	}
	return e, nil
}

// Snapshot implements [membership.Store]. Any replica may answer, and its answer may be
// older than the last write. The records of shards come in blocks: each block shows one
// moment, and all are as of asOf or later. For any other prefix, more than 1,023
// records are outcome.ErrTooLarge.
func (s *Store) Snapshot(ctx context.Context, prefix string) (entries []membership.Entry, asOf uint64, err error) {
	if err = ctx.Err(); err == nil {
		entries, asOf, err = s.snapshots.read(ctx, prefix)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("records under %q: %w", prefix, err)
	}
	return entries, asOf, nil
}

// Watch implements [membership.Store]. Versions come in the order of all revisions, and
// a late one is left out. stop waits for a call of f that is under way, so f must not
// call stop. Without a connection the watch begins when there is one.
// outcome.ErrNotPermitted means that the server refuses the watch.
func (s *Store) Watch(f func(membership.Entry)) (stop func(), err error) {
	w := &watch{in: &s.watches, events: s.bucket.events, f: f}
	sub, err := s.link.nc.Subscribe(w.events+">", w.see)
	if err != nil {
		return nil, s.link.mapped(context.Background(), err)
	}
	w.sub = sub
	s.watches.add(w)
	if err := s.link.begun(sub.Subject); err != nil {
		w.stop()
		return nil, err
	}
	return w.stop, nil
}
