package host_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/pool"
)

func TestCloseTwice(t *testing.T) {
	p := pool.New(-1)
	defer p.Close()
	s := host.NewSystem(slog.New(slog.DiscardHandler), p)
	s.Close()
	s.Close()
}

// TestDeadLetters: who asks or watches what is not there is told, no payload is
// logged, and no goroutine stays: the bubble could not end.
func TestDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &notes{}
		told := make(chan any, 10)
		w := newWorldOn(t, host.Options{Factory: raw(func(ctx pactor.Context) {
			switch m := ctx.Message().(type) {
			case *host.Message:
				nobody := pactor.NewPID(ctx.Self().Address, "nobody")
				ctx.Watch(nobody)
				ctx.Send(nobody, "secret")
				ctx.Request(nobody, "secret")
				ctx.Respond(nil)
			case *pactor.DeadLetterResponse, *pactor.Terminated:
				told <- m
			}
		})}, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), -1)
		w.want("k", "go", "")
		synctest.Wait()
		var asked, watched int
		for len(told) > 0 {
			switch m := (<-told).(type) {
			case *pactor.DeadLetterResponse:
				asked++
			case *pactor.Terminated:
				if watched++; m.Who.Id != "nobody" || m.Why != pactor.TerminatedReason_NotFound {
					t.Errorf("told of %v", m)
				}
			}
		}
		if asked != 1 || watched != 1 {
			t.Errorf("told %d times as who asked, %d times as who watches, want once each", asked, watched)
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("a payload was logged: %s", log)
		}
	})
}
