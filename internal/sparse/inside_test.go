package sparse_test // a function of package sparse counts as the library's

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/internal/sparse"
)

// asksInside is a log handler that asks where it is called.
type asksInside struct {
	slog.Handler
	got *[]bool
}

func (h asksInside) Enabled(context.Context, slog.Level) bool { return true }

func (h asksInside) Handle(context.Context, slog.Record) error {
	*h.got = append(*h.got, sparse.Inside())
	return nil
}

// TestInside: code that the library calls apart is inside, and a goroutine that this code starts is not.
func TestInside(t *testing.T) {
	var got []bool
	ask := func() { got = append(got, sparse.Inside()) }
	ask()
	log := sparse.New(slog.New(asksInside{slog.DiscardHandler, &got}))
	sparse.Apart(log, "the metrics", ask)
	_, _ = sparse.Ask(t.Context(), log, "a store", func(context.Context) (int, error) { ask(); return 0, nil })
	log.Info("a line")
	sparse.Apart(log, "the metrics", func() {
		over := make(chan struct{})
		go func() { ask(); close(over) }() // ends at once
		<-over
	})
	if want := []bool{false, true, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("inside %v, want %v", got, want)
	}
}
