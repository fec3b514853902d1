// The tests of the contract

package startstoptest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Service is a value under test, for one life.
type Service struct {
	Run   func(ctx context.Context) error // of a service that runs
	Ready <-chan struct{}                 // of a service that runs; nil: it is never ready
	Close func() error                    // of a service that is open when it is made

	// Use asks something of the service. The error is nil, or one that Refused accepts: the error
	// of a service that is not ready, or has ended.
	Use     func(ctx context.Context) error
	Refused func(err error) bool
	// Cut accepts other errors of a call that was under way when the service
	// ended; nil: there are none.
	Cut func(err error) bool
	// Busy is how many calls run at the service; nil if that cannot be seen.
	Busy func() int
}

// Work is the work that a service under test does. It takes long enough that a test sees it if it
// goes on after the end.
type Work struct{ running atomic.Int32 }

// Do is one piece.
func (w *Work) Do() {
	w.running.Add(1)
	defer w.running.Add(-1)
	for range 200 {
		runtime.Gosched()
	}
}

// Running is how many pieces are being done.
func (w *Work) Running() int { return int(w.running.Load()) }

// Run tests something that runs.
func Run(t *testing.T, make func(t *testing.T) Service) {
	t.Run("Ends", func(t *testing.T) {
		s, ctx, end := begin(t, make)
		ended := s.begun(ctx)
		s.wantReady(t, ended)
		s.wantUsed(t)
		if err := s.Run(ctx); err == nil {
			t.Error("a second Run beside the first is not refused")
		}
		s.wantUsed(t)
		end()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.wantEnded(t)
		if err := s.Run(context.Background()); err == nil {
			t.Error("a second Run after the first is not refused")
		}
		s.wantEnded(t)
	})
	t.Run("EndsBeforeItBegins", func(t *testing.T) {
		s, ctx, end := begin(t, make)
		end()
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		s.wantEnded(t)
	})
	t.Run("Stress", func(t *testing.T) {
		for round := range rounds {
			s, ctx, end := begin(t, make)
			var ran atomic.Int32
			all := s.used(t)
			for range 3 {
				all.Go(func() {
					if err := s.Run(ctx); err == nil {
						ran.Add(1)
						s.wantEnded(t)
					}
				})
			}
			if round%2 == 0 && s.Ready != nil {
				<-s.Ready
			}
			for range round {
				runtime.Gosched()
			}
			end()
			all.Wait()
			if ran.Load() != 1 {
				t.Errorf("round %d: %d calls of Run have run it", round, ran.Load())
			}
		}
	})
}

// Close tests something that is open when it is made.
func Close(t *testing.T, make func(t *testing.T) Service) {
	t.Run("Ends", func(t *testing.T) {
		s := make(t)
		s.wantUsed(t)
		for range 3 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			s.wantEnded(t)
		}
	})
	t.Run("EndsUnused", func(t *testing.T) {
		s := make(t)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.wantEnded(t)
	})
	t.Run("Stress", func(t *testing.T) {
		for round := range rounds {
			s := make(t)
			all := s.used(t)
			for range round {
				runtime.Gosched()
			}
			for range 4 {
				all.Go(func() {
					if err := s.Close(); err != nil {
						t.Errorf("round %d: Close: %v", round, err)
					}
					s.wantEnded(t)
				})
			}
			all.Wait()
		}
	})
}

// rounds is how many lives a stress test ends, each a little later than the one before.
const rounds = 20

func begin(t *testing.T, make func(t *testing.T) Service) (Service, context.Context, context.CancelFunc) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	return make(t), ctx, end
}

// begun runs the service and returns what Run returns.
func (s Service) begun(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }() // the test waits for it
	return ended
}

// used begins to use the service, from several goroutines and for a while.
func (s Service) used(t *testing.T) *sync.WaitGroup {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if err := s.Use(context.Background()); err != nil && !s.Refused(err) && (s.Cut == nil || !s.Cut(err)) {
					t.Errorf("used beside its end: %v", err)
				}
			}
		})
	}
	return &all
}

func (s Service) wantReady(t *testing.T, ended <-chan error) {
	t.Helper()
	if s.Ready == nil {
		return
	}
	select {
	case <-s.Ready:
	case err := <-ended:
		t.Fatalf("Run ended before it was ready: %v", err)
	}
}

func (s Service) wantUsed(t *testing.T) {
	t.Helper()
	if err := s.Use(context.Background()); err != nil {
		t.Errorf("it is ready, and cannot be used: %v", err)
	}
}

func (s Service) wantEnded(t *testing.T) {
	t.Helper()
	if err := s.Use(context.Background()); err == nil || !s.Refused(err) {
		t.Errorf("used after its end: %v", err)
	}
	if s.Busy != nil && s.Busy() > 0 {
		t.Errorf("%d of what was asked run after the end", s.Busy())
	}
}
