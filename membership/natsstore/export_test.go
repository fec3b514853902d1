package natsstore

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// SetMarkerTTL is for tests that wait for the end of a marker.
func (s *Store) SetMarkerTTL(d time.Duration) { s.bucket.markerTTL = d }

// ServerURL tells which server the store is connected to.
func (s *Store) ServerURL() string { return s.link.nc.ConnectedUrl() }

// Conn is the store's connection.
func (s *Store) Conn() *nats.Conn { return s.link.nc }

// CreateOver makes the bucket in another storage, as a node would whose options
// are others, and reports whether it is told so.
func (s *Store) CreateOver(ctx context.Context) bool {
	s.link.opts.Memory = !s.link.opts.Memory
	defer func() { s.link.opts.Memory = !s.link.opts.Memory }()
	_, err := s.bucket.create(ctx)
	return is(err, codeNameInUse)
}
