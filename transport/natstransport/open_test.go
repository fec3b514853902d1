package natstransport_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// A server that accepts connections and says nothing: Open returns when its context ends.
func TestOpenEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() { // ends with the listener
		if c, err := l.Accept(); err == nil {
			accepted <- c
			cancel()
		}
	}()
	_, err = natstransport.Open(ctx, natstransport.Options{URL: "nats://" + l.Addr().String(), Log: silent})
	if !errors.Is(err, context.Canceled) || outcome.Of(err) != outcome.NotSent {
		t.Errorf("%v (%v)", err, outcome.Of(err))
	}
	(<-accepted).Close()
}
