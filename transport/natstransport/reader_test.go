package natstransport_test

import (
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// exits is a receiver that ends the goroutine on which it is asked.
type exits struct{}

// Accept implements dispatch.Receiver.
func (exits) Accept(c *dispatch.Call) {
	if c.Envelope().Type == "Exit" {
		c.Refuse(outcome.Errorf(outcome.ErrDraining, "exit"))
		runtime.Goexit()
	}
	if c.Start(nil) {
		c.Reply(c.Envelope().Data, nil)
		c.End()
	}
}

// lines is what was logged.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}

// A connection whose reader has ended would be deaf, and say nothing. It says so, and
// goes on.
func TestReaderThatEnds(t *testing.T) {
	url := testkit.StartNATS(t)
	var log lines
	node := connect(t, natstransport.Options{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
	client := connect(t, natstransport.Options{URL: url})
	if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: exits{}}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := client.Request(patient(t), transport.Envelope{Type: "Exit", Delivery: transport.AwaitNothing}); err != nil {
			t.Fatal(err)
		}
		want(t, client, transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	}
	if !log.has("has ended the connection's reader") || !log.has("exits.Accept") {
		t.Errorf("the log has %q", log.all.String())
	}
}
