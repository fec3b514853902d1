package natsstore

import (
	"time"

	"github.com/nats-io/nats.go"
)

// SetMarkerTTL is for tests that wait for the end of a marker.
func (s *Store) SetMarkerTTL(d time.Duration) { s.markerTTL = d }

// ServerURL tells which server the store is connected to.
func (s *Store) ServerURL() string { return s.nc.ConnectedUrl() }

// Conn is the store's connection.
func (s *Store) Conn() *nats.Conn { return s.nc }
