package natsstate_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// cutDialer cuts its first connection as soon as the server has taken it. It makes no other one before it may.
type cutDialer struct{ dialed, may atomic.Bool }

func (d *cutDialer) Dial(network, address string) (net.Conn, error) {
	first := !d.dialed.Swap(true)
	if !first && !d.may.Load() {
		return nil, errors.New("not yet")
	}
	c, err := net.Dial(network, address)
	if err == nil && first {
		c = &cutConn{Conn: c}
	}
	return c, err
}

type cutConn struct {
	net.Conn
	over bool // the reader's
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.over {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	c.over = bytes.Contains(b[:n], []byte("PONG"))
	return n, err
}

// lines hears of each line of a log.
type lines func(string)

func (l lines) Write(b []byte) (int, error) { l(string(b)); return len(b), nil }

// TestOpenIsCut: the connection is cut after it was made and before the first question. Open waits for the next connection.
func TestOpenIsCut(t *testing.T) {
	testkit.CheckLeaks(t)
	d := &cutDialer{}
	log := slog.New(slog.NewTextHandler(lines(func(line string) {
		if strings.Contains(line, nats.ErrReconnectBufExceeded.Error()) {
			d.may.Store(true)
		}
	}), nil))
	s, err := natsstate.Open(patient(t), natsstate.Options{URL: natstest.Serve(t, server.Options{}).URL(), Log: log, NATSOptions: []nats.Option{
		nats.SetCustomDialer(d), nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0),
	}})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
