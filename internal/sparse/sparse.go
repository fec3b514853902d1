// The bound on the library's log: five lines a second of each message, and how many were left out

// Package sparse bounds the library's log, because any number of callers, keys and servers may
// cause lines. Every logger comes into the library through [New]. It writes
// at most [PerSecond] lines a second of each message. A further line
// says, at the end of that second, how many were left out:
//
//	log := sparse.New(opts.Log) // nil is slog.Default()
//	log.Warn("activation failed", sparse.Entity(kind, shard, key), slog.Any("error", err))
//
//	level=WARN msg="activation failed" kind=account shard=7 key=user-123 error="no database"
//	level=WARN msg="activation failed" skipped=495
//
// Lines with the same level and message are counted together, so a message must be a
// constant, and everything else an attribute. internal/laws checks all of this.
package sparse

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// PerSecond is how many lines a second are written of one level and message.
	PerSecond = 5
	// maxMessages bounds what is remembered. The library has fewer messages;
	// protoactor's are not ours.
	maxMessages = 512
)

// New returns a logger that writes the lines that the bound allows to log, or to slog.Default() if
// log is nil. args are attributes of all its lines, as for With. For a logger that
// New has made it returns one that shares the bound.
func New(log *slog.Logger, args ...any) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	log = log.With(args...)
	if _, ok := log.Handler().(*handler); ok {
		return log
	}
	inner := log.Handler()
	return slog.New(&handler{Handler: inner, bound: &bound{summary: inner, windows: map[line]*window{}}})
}

// Raw returns a logger without the bound, for lines that an application writes.
func Raw(log *slog.Logger) *slog.Logger {
	if h, ok := log.Handler().(*handler); ok {
		return slog.New(h.Handler)
	}
	return log
}

// Flush writes at once how many lines were left out, so that nothing
// is written after an owner's end.
func Flush(log *slog.Logger) {
	if h, ok := log.Handler().(*handler); ok {
		h.bound.flush()
	}
}

// handler is the bound as a slog.Handler. The inner handler is an application's, and a line may be written by a goroutine that
// others need, such as a connection's reader. So the handler's methods run apart: one that panics, or ends its goroutine as
// t.Fatal does, loses the line and nothing else.
type handler struct {
	slog.Handler
	bound *bound // shared with what With has made of the logger
	asked asked
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if !h.bound.admits(line{r.Level, r.Message}) {
		return nil
	}
	return handle(ctx, h.Handler, shortened(r))
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, l slog.Level) (on bool) {
	on, enough := h.asked.before(l)
	if !enough {
		apart(func() { on = h.Handler.Enabled(ctx, l) })
		h.asked.answer(l, on)
	}
	return on
}

// handle writes a record.
func handle(ctx context.Context, h slog.Handler, r slog.Record) (err error) {
	if how := apart(func() { err = h.Handle(ctx, r) }); how != "" {
		return errors.New("the log's methods " + how)
	}
	return err
}

// WithAttrs implements slog.Handler. Without the attributes, if they cannot be taken, a
// line still has its message.
func (h *handler) WithAttrs(attrs []slog.Attr) (with slog.Handler) {
	with = h
	apart(func() { with = &handler{Handler: h.Handler.WithAttrs(attrs), bound: h.bound} })
	return with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) (with slog.Handler) {
	with = h
	apart(func() { with = &handler{Handler: h.Handler.WithGroup(name), bound: h.bound} })
	return with
}

// line identifies the lines that are counted together.
type line struct {
	level   slog.Level
	message string
}

// bound counts a logger's lines.
type bound struct {
	summary slog.Handler // gets what is said of lines that were left out

	mu      sync.Mutex
	windows map[line]*window
}

// window is about a second of one line.
type window struct {
	began   time.Time
	written int
	skipped int
	timer   *time.Timer // of the line that says how many were skipped; nil while none were
}

// admits reports whether a line may be written, or counts it.
func (b *bound) admits(l line) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.windows[l]
	if w == nil {
		if len(b.windows) >= maxMessages {
			l.message = "lines with many messages"
			w = b.windows[l]
		}
		if w == nil {
			w = &window{}
			b.windows[l] = w
		}
	}
	if passed := now.Sub(w.began); w.timer == nil && (passed >= time.Second || passed < 0) {
		w.began, w.written = now, 0
	}
	if w.written < PerSecond {
		w.written++
		return true
	}
	w.skipped++
	if w.timer == nil {
		w.timer = time.AfterFunc(time.Second-now.Sub(w.began), func() { b.say(l, w) })
	}
	return false
}

// say writes how many lines were left out, and lets the next ones pass.
func (b *bound) say(l line, w *window) {
	b.mu.Lock()
	skipped := w.skipped
	if w.timer != nil {
		w.timer.Stop()
	}
	w.began, w.written, w.skipped, w.timer = time.Now(), 0, 0, nil
	b.mu.Unlock()
	if h := (&handler{Handler: b.summary}); skipped == 0 || !h.Enabled(context.Background(), l.level) {
		return
	}
	r := slog.NewRecord(time.Now(), l.level, l.message, 0)
	r.AddAttrs(slog.Int("skipped", skipped))
	_ = handle(context.Background(), b.summary, r) // as slog.Logger does
}

func (b *bound) flush() {
	due := map[line]*window{}
	b.mu.Lock()
	for l, w := range b.windows {
		if w.timer != nil {
			due[l] = w
		}
	}
	b.mu.Unlock()
	for l, w := range due {
		b.say(l, w)
	}
}
