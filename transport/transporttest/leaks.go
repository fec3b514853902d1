// Goroutines that outlive a transport

package transporttest

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/clstr-go/clstr/transport"
)

var leakTests = []test{
	{"goroutines are given back", testLeaks},
}

func testLeaks(s *suite) {
	life := func(t *testing.T) { s.busyLife(t) }
	s.Run("warm-up", life) // makes what the process keeps for good
	before := runtime.NumGoroutine()
	s.Run("life", life)
	s.eventually("goroutines are given back", func() bool { return runtime.NumGoroutine() <= before })
}

// busyLife is a pair that is used in every way and closed.
func (s *suite) busyLife(t *testing.T) {
	inner := &suite{T: t, h: s.h}
	p := inner.pair(transport.Limits{HandlerTimeout: 50 * time.Millisecond})
	p.serve(0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Wait":
			<-ctx.Done()
		case "Exit":
			runtime.Goexit()
		}
		return env.Data, ctx.Err()
	})
	var calls []<-chan result
	for i := range 100 {
		ctx, cancel := context.WithCancel(inner.patient())
		switch i % 4 {
		case 0:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Echo", TTLMs: 10_000}))
		case 1:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Exit"}))
		case 2:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Wait"}))
		case 3:
			cancel() // at any point of the call's way
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Wait"}))
		}
		t.Cleanup(cancel)
	}
	for _, call := range calls {
		receive(inner, "an outcome", call)
	}
	if err := p.Client.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Server.Close(); err != nil {
		t.Error(err)
	}
	_, err := p.request(transport.Envelope{Type: "After"})
	inner.failed(err, transport.ErrTransportClosed, transport.NotSent)
}
