package link

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A lost connection is made again in less than a second: after 3 s of silence callers take its node for dead.
// The program's own options win.
func TestPauseBeforeReconnect(t *testing.T) {
	for _, c := range []struct {
		given       []nats.Option
		least, most time.Duration
	}{
		{nil, 100 * time.Millisecond, time.Second},
		{[]nats.Option{nats.ReconnectWait(time.Minute), nats.ReconnectJitter(0, 0)}, time.Minute, time.Minute},
	} {
		opts := nats.GetDefaultOptions()
		for _, option := range New(Options{NATSOptions: c.given}).options() {
			if err := option(&opts); err != nil {
				t.Fatal(err)
			}
		}
		for _, jitter := range []time.Duration{opts.ReconnectJitter, opts.ReconnectJitterTLS} {
			if opts.ReconnectWait < c.least || opts.ReconnectWait+jitter > c.most {
				t.Errorf("the pause is %v to %v, want %v to %v", opts.ReconnectWait, opts.ReconnectWait+jitter, c.least, c.most)
			}
		}
	}
}
