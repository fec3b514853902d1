package natstransport_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// slowLog takes a line on the connection's state only when it is let: what follows the
// connection falls behind.
type slowLog struct {
	slog.Handler
	came chan struct{} // one for each line that has begun
	let  chan struct{} // one for each line that may end
}

func (l slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (l slowLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "NATS connection: lost") || strings.HasPrefix(r.Message, "NATS connection: connected") {
		l.came <- struct{}{}
		<-l.let
	}
	return nil
}

// Two losses are noticed when the connection is there again. A call that is sent by
// then is on the new connection, and the second of them does not end it.
func TestLossThatIsNoticedLate(t *testing.T) {
	srv := testkit.StartNATSServer(t, nil)
	node := connect(t, natstransport.Options{URL: srv.URL(), AlwaysOverNATS: true, NATSOptions: soon()})
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	serve(t, node, 7, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Hold" {
			entered <- struct{}{}
			<-hold
		}
		return env.Data, nil
	})
	nc := dial(t, srv.URL(), append(soon(), nats.MaxReconnects(-1))...)
	log := slowLog{silent.Handler(), make(chan struct{}, 64), make(chan struct{})}
	client := connect(t, natstransport.Options{Conn: nc, Log: slog.New(log)})
	events := nc.StatusChanged()
	for range 2 {
		srv.Stop()
		eventually(t, "the connection is lost", func() bool { return !nc.IsConnected() })
		srv.Restart()
		eventually(t, "the connection is back", nc.IsConnected)
	}
	eventually(t, "the node is back", func() bool {
		_, err := node.Request(patient(t), transport.Envelope{Shard: 7, Type: "Echo"})
		return err == nil
	})

	lines := len(events)
	for again, held := time.NewTicker(time.Millisecond), false; !client.Connected(); {
		if held {
			log.let <- struct{}{}
		}
		select {
		case <-log.came:
			held, lines = true, lines-1
		case <-again.C:
			held = false
		}
	}
	call := start(patient(t), client, transport.Envelope{Shard: 7, Type: "Hold", Data: []byte("x")})
	receive(t, "the handler", entered)
	close(log.let)
	for range lines {
		receive(t, "a line of the log", log.came)
	}
	close(hold)
	if r := receive(t, "the call", call); r.err != nil || string(r.data) != "x" {
		t.Errorf("the call on the new connection: %q, %v", r.data, r.err)
	}
}
