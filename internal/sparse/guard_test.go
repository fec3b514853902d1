package sparse

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

// broken is an application's handler that fails in one of its methods.
type broken struct {
	in     string
	fails  func()
	called map[string]int
}

func (b broken) call(method string) {
	b.called[method]++
	if method == b.in {
		b.fails()
	}
}

func (b broken) Enabled(context.Context, slog.Level) bool  { b.call("Enabled"); return true }
func (b broken) Handle(context.Context, slog.Record) error { b.call("Handle"); return nil }
func (b broken) WithAttrs([]slog.Attr) slog.Handler        { b.call("WithAttrs"); return b }
func (b broken) WithGroup(string) slog.Handler             { b.call("WithGroup"); return b }

// A log that panics costs its line, and never the connection's reader that wrote it.
func TestHandlerThatPanics(t *testing.T) {
	for _, in := range []string{"Enabled", "Handle", "WithAttrs", "WithGroup"} {
		h := broken{in, func() { panic("log") }, map[string]int{}}
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

// A log that ends its goroutine, as t.Fatal does, costs its line, and never the goroutine that wrote it.
func TestHandlerThatEndsItsGoroutine(t *testing.T) {
	for _, in := range []string{"Enabled", "Handle", "WithAttrs", "WithGroup"} {
		h := broken{in, runtime.Goexit, map[string]int{}}
		over, returned := make(chan struct{}), false
		go func() { // ends at once
			defer close(over)
			log := New(slog.New(h))
			for range 2 * PerSecond {
				log.With("key", "k").WithGroup("g").Warn("line")
			}
			Flush(log)
			returned = true
		}()
		if <-over; !returned || h.called[in] < PerSecond || in != "Enabled" && h.called["Handle"] != PerSecond+1 {
			t.Errorf("%s: returned %v, and %v were called", in, returned, h.called)
		}
	}
}

// A log that panics when it is asked about the line of what was left out costs that line. A timer asks, so nothing else
// would stop the panic.
func TestLogThatPanicsAtTheEndOfASecond(t *testing.T) {
	fails := func() {}
	h := broken{"Enabled", func() { fails() }, map[string]int{}}
	log := New(slog.New(h))
	for range 2 * PerSecond {
		log.Warn("line")
	}
	fails = func() { panic("log") }
	Flush(log)
	if h.called["Enabled"] != 2*PerSecond+1 || h.called["Handle"] != PerSecond {
		t.Errorf("%v were called", h.called)
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
