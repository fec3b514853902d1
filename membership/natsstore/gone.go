// A bucket that is gone: what is said, and making it anew

package natsstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
)

// gone is the error of a bucket that was deleted, or lost with its servers' disks.
func (s *Store) gone() error {
	return fmt.Errorf("%w: bucket %s is gone: %w", ErrBucket, s.bucket, membership.ErrNoRecords)
}

// unanswered says why nobody answers for the bucket: it has no leader, or it is not
// there any more. The second is one server's word for this moment. A leader of JetStream
// that has lost touch with the others can be wrong about it, and so can a server that has
// yet to make its replica of the stream. The nodes of package cluster therefore want to
// hear it for a while. Making the bucket is safe at any time: the servers decide on that
// together, and a bucket that is there stays as it is.
func (s *Store) unanswered(ctx context.Context) error {
	if _, err := s.info(ctx); is(err, codeStreamNotFound) {
		return s.gone()
	}
	return s.mapped(ctx, nats.ErrNoResponders)
}

// Make makes the bucket anew after it was deleted or lost, or finds it: another node has
// made it, or it was there all the time. The nodes of package cluster call it when the
// lease of every node has ended. A user without that right is told the command.
func (s *Store) Make(ctx context.Context) error {
	if err := s.open(ctx, callTimeout); err != nil {
		return err
	}
	s.mu.Lock()
	watches := make([]*watch, 0, len(s.watches))
	for w := range s.watches {
		watches = append(watches, w)
	}
	s.mu.Unlock()
	for _, w := range watches {
		w.mu.Lock()
		w.last = 0 // revisions begin anew
		w.mu.Unlock()
	}
	return nil
}

// command makes the bucket with the nats tool.
func (s *Store) command() string {
	return "nats kv add " + s.bucket + " --history 1 --replicas " + strconv.Itoa(s.replicas()) + " --marker-ttl 1m" +
		" --republish-source '" + s.subjects + ">' --republish-destination '" + s.events + ">'"
}

// Born returns when the bucket was made, by its server's clock.
func (s *Store) Born(ctx context.Context) (time.Time, error) {
	info, err := s.info(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return info.Created, nil
}
