package natstransport

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/transport"
)

func TestWarnsOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := &warner{log: slog.New(slog.NewTextHandler(&out, nil))}
		for range 1000 {
			w.warn("bad")
		}
		time.Sleep(time.Second) // virtual
		w.warn("bad")
		if got := strings.Split(strings.TrimSpace(out.String()), "\n"); len(got) != 2 || strings.Contains(got[0], "skipped") || !strings.Contains(got[1], "skipped=999") {
			t.Errorf("logged %q", got)
		}
	})
}

// TestRefusedNotificationIsLogged: its sender is gone, and a node without
// metrics must not lose it in silence.
func TestRefusedNotificationIsLogged(t *testing.T) {
	var out bytes.Buffer
	w := &warner{log: slog.New(slog.NewTextHandler(&out, nil))}
	d := transport.NewDispatcher(transport.Limits{}, slog.New(slog.DiscardHandler))
	sub, err := d.Subscribe(t.Context(), d.ReceiverFunc(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	sub.Dispatch(transport.NewCall(transport.Envelope{Shard: 7, Data: []byte("secret"), Delivery: transport.AwaitNothing}, w, 0))
	if got := out.String(); !strings.Contains(got, "shard=7") || !strings.Contains(got, transport.ErrDraining.Error()) || strings.Contains(got, "secret") {
		t.Errorf("logged %q", got)
	}
}
