package sparse

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// switched is a log that is on or off.
type switched struct {
	on           atomic.Bool
	asked, lines atomic.Int32
}

func (s *switched) Enabled(context.Context, slog.Level) bool  { s.asked.Add(1); return s.on.Load() }
func (s *switched) Handle(context.Context, slog.Record) error { s.lines.Add(1); return nil }
func (s *switched) WithAttrs([]slog.Attr) slog.Handler        { return s }
func (s *switched) WithGroup(string) slog.Handler             { return s }

// TestAFloodAsksTheLogRarely: whether a level is enabled takes a goroutine to find out, which a flood of lines has no time for. What the
// log says holds for a moment.
func TestAFloodAsksTheLogRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &switched{}
		h.on.Store(true)
		log := New(slog.New(h))
		for range 10_000 {
			log.Warn("again")
		}
		if lines, asked := h.lines.Load(), h.asked.Load(); lines != PerSecond || asked < PerSecond || asked > mostAsk {
			t.Errorf("%d lines, asked %d times", lines, asked)
		}
		h.on.Store(false)
		time.Sleep(2 * time.Second) // the line that says how many were left out is not written either
		for range 10_000 {
			log.Warn("again")
		}
		if n := h.lines.Load() - PerSecond; n != 0 {
			t.Errorf("%d lines of a log that is off", n)
		}
		h.on.Store(true)
		log.Error("another level") // is asked for at once
		time.Sleep(moment)
		log.Warn("again")
		if n := h.lines.Load() - PerSecond; n != 2 {
			t.Errorf("%d lines, want 2", n)
		}
	})
}
