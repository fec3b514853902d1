package sparse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

type exiting struct{}

func (exiting) Error() string { runtime.Goexit(); return "" }

type panicking struct{}

func (panicking) Error() string { panic("error") }

// keeping is a handler that keeps the error of its last line.
type keeping struct{ err error }

func (*keeping) Enabled(context.Context, slog.Level) bool { return true }
func (k *keeping) WithAttrs([]slog.Attr) slog.Handler     { return k }
func (k *keeping) WithGroup(string) slog.Handler          { return k }

func (k *keeping) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		k.err, _ = a.Value.Any().(error)
		return true
	})
	return nil
}

// TestErrorsInLines: a line shows the beginning of a long error, and says how long it
// is. An error whose own text does not come costs nothing but that text.
func TestErrorsInLines(t *testing.T) {
	log, lines := logger()
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("short"), "error=short x=1"},
		{errors.New(strings.Repeat("x", 1<<20)), `error="` + strings.Repeat("x", maxError) + `... (1048576 bytes)" x=1`},
		{exiting{}, `error="an error of type sparse.exiting whose methods end their goroutine" x=1`},
		{panicking{}, `error="an error of type sparse.panicking whose methods panic" x=1`},
	} {
		log.Error(fmt.Sprintf("%T", c.err), slog.Any("error", c.err), slog.Int("x", 1))
		if all := lines(); len(all) != 1 || !strings.HasSuffix(all[0], c.want) {
			t.Errorf("%.100q, want %.100q", all, c.want)
		}
	}
	kept := &keeping{}
	err := errors.New("short")
	New(slog.New(kept)).Error("line", slog.Any("error", err))
	if kept.err != err {
		t.Error("the handler is not given the error itself")
	}
}
