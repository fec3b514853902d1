package cluster

import (
	"context"
	"testing"
)

// wrapped has a Request of its own.
type wrapped struct{ *MemoryTransport }

func (w wrapped) Request(ctx context.Context, env Envelope) ([]byte, error) {
	return w.MemoryTransport.Request(ctx, env)
}

// TestCarriers: only a client without code that looks at bytes, on a transport without such code, hands over values.
func TestCarriers(t *testing.T) {
	tr := NewInMemoryTransport()
	t.Cleanup(func() { _ = tr.Close() })
	for name, c := range map[string]struct {
		opts ClientOptions
		want bool
	}{
		"no such code": {ClientOptions{Transport: tr}, true},
		"Intercept":    {ClientOptions{Transport: tr, Intercept: func(ctx context.Context, _ *Outgoing, next func(context.Context) error) error { return next(ctx) }}, false},
		"strict":       {ClientOptions{Transport: tr, StrictReplies: true}, false},
		"a wrapper":    {ClientOptions{Transport: wrapped{tr}}, false},
	} {
		c.opts.NumShards = 4
		client, err := NewClient(c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.Key("k").carries(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
