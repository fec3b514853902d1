package sparse

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

// broken is an application's handler that panics.
type broken struct{ slog.Handler }

func (broken) Enabled(context.Context, slog.Level) bool { return true }

func (broken) Handle(context.Context, slog.Record) error { panic("log") }

// asleep panics when it is asked whether it wants a line.
type asleep struct{ slog.Handler }

func (asleep) Enabled(context.Context, slog.Level) bool { panic("log") }

// A log that panics costs its line, and never the connection's reader that wrote it.
func TestHandlerThatPanics(t *testing.T) {
	for _, h := range []slog.Handler{broken{slog.DiscardHandler}, asleep{slog.DiscardHandler}} {
		log := New(slog.New(h), slog.Int("node", 1))
		for range 2 * PerSecond {
			log.Warn("line")
		}
		Flush(log)
	}
}

func TestRecover(t *testing.T) {
	log, lines := logger()
	func() {
		defer Recover(log, "the metrics")
		panic("boom")
	}()
	func() { defer Recover(log, "the metrics") }()
	if all := lines(); len(all) != 1 || !strings.Contains(all[0], "the metrics") || !strings.Contains(all[0], "boom") {
		t.Errorf("logged %q", all)
	}
}
