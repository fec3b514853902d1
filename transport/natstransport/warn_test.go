package natstransport

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestRefusedNotificationIsLogged: its sender is gone, and a node without
// metrics must not lose it in silence.
func TestRefusedNotificationIsLogged(t *testing.T) {
	var out bytes.Buffer
	w := &remote{t: &Transport{log: sparse.New(slog.New(slog.NewTextHandler(&out, nil)))}}
	d := dispatch.NewDispatcher(transport.Limits{}, slog.New(slog.DiscardHandler))
	sub, err := d.Subscribe(t.Context(), dispatch.Subscriber{Receiver: d.ReceiverFunc(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	sub.Dispatch(dispatch.NewCall(transport.Envelope{Shard: 7, Data: []byte("secret"), Delivery: transport.AwaitNothing}, w, 0))
	if got := out.String(); !strings.Contains(got, "shard=7") || !strings.Contains(got, outcome.ErrDraining.Error()) || strings.Contains(got, "secret") {
		t.Errorf("logged %q", got)
	}
}
