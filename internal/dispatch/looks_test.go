package dispatch

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/transport"
)

// ends are the ways in which a subscription waits for what is in flight.
var ends = map[string]func(*Sub) error{
	"Drain":       func(s *Sub) error { return s.Drain(context.Background()) },
	"Unsubscribe": (*Sub).Unsubscribe,
}

// waiting begins an end beside one call that is in flight, and returns when it waits.
func waiting(t *testing.T, end func(*Sub) error) (s *Sub, ended chan error) {
	s = (&book{}).sub(t, transport.Limits{})
	s.flight.n.Add(1)
	ended = make(chan error, 1)
	go func() { ended <- end(s) }() // ends with the last call in flight
	synctest.Wait()
	return s, ended
}

// still fails the test if the end has come, and lets it come.
func still(t *testing.T, s *Sub, ended chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("it has ended (%v) beside a call in flight", err)
	default:
	}
	s.flight.land(s.standing)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestAdmittedAsTheLastCallEnds: a call that a drain needs is admitted when the last in
// flight has been counted out, and the code that counted has not looked yet at the calls that wait.
func TestAdmittedAsTheLastCallEnds(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, ended := waiting(t, end)
				s.flight.mu.Lock()
				go s.flight.land(s.standing) // ends when the lock is free
				for s.flight.n.Load() != 0 {
					runtime.Gosched()
				}
				s.flight.n.Add(1)
				s.flight.mu.Unlock()
				still(t, s, ended)
			})
		})
	}
}

// TestAdmittedAsADrainEnds: the same a moment later, when who waits has been told and
// has not yet said that nothing is admitted any more.
func TestAdmittedAsADrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ended := waiting(t, ends["Drain"])
		s.flight.mu.Lock() // as free leaves it, with a call in flight since
		close(s.flight.atRest)
		s.flight.atRest = nil
		s.flight.mu.Unlock()
		still(t, s, ended)
	})
}
