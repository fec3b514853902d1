package dispatch

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/transport"
)

// logged is a log that a test reads while others write.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestHandlerThatGoesOn: the log names the entity of a handler that does not heed the end of its time, once, whatever
// has ended that time. A handler that heeds it is not named, nor is one whose caller has left.
func TestHandlerThatGoesOn(t *testing.T) {
	const line = "a handler goes on after its time is up"
	ask := transport.Envelope{Kind: "account", Key: "acc-1", Type: "Deposit", Shard: 3, Delivery: transport.AwaitReply}
	withTTL, tell := ask, ask
	transport.WithTTL(time.Second)(&withTTL)
	transport.WithTTL(time.Second)(&tell)
	tell.Delivery = transport.AwaitAccept
	for name, c := range map[string]struct {
		env     transport.Envelope
		timeout time.Duration // of the handler; 0 is the default
		leaves  bool          // the caller cancels in place of its deadline
		far     bool          // the caller is in another process
		heeds   bool
		want    int
	}{
		"deadline":           {env: ask, want: 1},
		"deadline from afar": {env: ask, far: true, want: 1},
		"TTL":                {env: withTTL, want: 1},
		"notification":       {env: tell, want: 1},
		"handler timeout":    {env: ask, timeout: 500 * time.Millisecond, want: 1},
		"heeds its deadline": {env: ask, heeds: true},
		"heeds its TTL":      {env: tell, heeds: true},
		"its caller leaves":  {env: ask, leaves: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				d := NewDispatcher(transport.Limits{HandlerTimeout: c.timeout}, slog.New(slog.NewTextHandler(log, nil)))
				release := make(chan struct{})
				s, err := d.Subscribe(t.Context(), Subscriber{Receiver: d.ReceiverFunc(func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
					if c.heeds {
						<-ctx.Done()
					} else {
						<-release
					}
					return nil, nil
				})})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if c.leaves {
					time.AfterFunc(500*time.Millisecond, cancel)
				}
				if c.far {
					s.Dispatch(NewCall(c.env, &inbox{}, time.Second))
				} else {
					go func() { // ends with ctx
						env := c.env
						_, _, _ = s.Carry(ctx, &env, plain.Value{}, nil)
					}()
				}
				pass(heedTime)
				if text := log.String(); strings.Contains(text, line) {
					t.Errorf("early: %s", text)
				}
				pass(time.Minute)
				text := log.String()
				if n := strings.Count(text, line); n != c.want {
					t.Errorf("%d lines, want %d: %s", n, c.want, text)
				}
				if c.want > 0 && !strings.Contains(text, "kind=account shard=3 key=acc-1 type=Deposit late=5s") {
					t.Errorf("it names neither entity nor message: %s", text)
				}
				close(release)
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestNothingIsKeptOfHandlersThatHeed: very many calls may have short deadlines, and large messages.
func TestNothingIsKeptOfHandlersThatHeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{}, slog.New(slog.DiscardHandler))
		s, err := d.Subscribe(t.Context(), Subscriber{Receiver: d.ReceiverFunc(func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
			<-ctx.Done()
			return nil, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		var calls [50]weak.Pointer[Call]
		for i := range calls {
			c := NewCall(transport.Envelope{Shard: 3, Delivery: transport.AwaitReply}, &inbox{}, time.Second)
			calls[i] = weak.Make(c)
			s.Dispatch(c)
		}
		pass(2 * time.Second)
		runtime.GC()
		kept := 0
		for _, c := range calls {
			if c.Value() != nil {
				kept++
			}
		}
		if kept > len(calls)/2 { // the goroutines of the pool may have some yet
			t.Errorf("%d of %d calls are kept when their handlers have returned", kept, len(calls))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
