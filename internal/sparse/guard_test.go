package sparse

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

// broken is an application's handler that panics in one of its methods.
type broken struct {
	in     string
	called map[string]int
}

func (b broken) call(method string) {
	b.called[method]++
	if method == b.in {
		panic("log")
	}
}

func (b broken) Enabled(context.Context, slog.Level) bool  { b.call("Enabled"); return true }
func (b broken) Handle(context.Context, slog.Record) error { b.call("Handle"); return nil }
func (b broken) WithAttrs([]slog.Attr) slog.Handler        { b.call("WithAttrs"); return b }
func (b broken) WithGroup(string) slog.Handler             { b.call("WithGroup"); return b }

// A log that panics costs its line, and never the connection's reader that wrote it.
func TestHandlerThatPanics(t *testing.T) {
	for _, in := range []string{"Enabled", "Handle", "WithAttrs", "WithGroup"} {
		h := broken{in, map[string]int{}}
		log := New(slog.New(h))
		for range 2 * PerSecond {
			log.With("key", "k").WithGroup("g").Warn("line")
		}
		Flush(log)
		if h.called[in] < PerSecond || in != "Enabled" && h.called["Handle"] < PerSecond+1 {
			t.Errorf("%s panics, and %v were called", in, h.called)
		}
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

// TestApart: the caller goes on, whatever the application's code does.
func TestApart(t *testing.T) {
	log, lines := logger()
	ran := false
	Apart(log, "the metrics", func() { ran = true })
	Apart(log, "the metrics", runtime.Goexit)
	Apart(log, "the metrics", func() { panic("boom") })
	if all := lines(); !ran || len(all) != 1 || !strings.Contains(all[0], "the metrics") || !strings.Contains(all[0], "boom") {
		t.Errorf("ran %v, logged %q", ran, all)
	}
}
