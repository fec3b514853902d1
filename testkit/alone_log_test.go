package testkit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
)

// fail is a message that makes the entities of this file panic, with the value of Crash.
type fail struct{}

type failing struct{}

func (*failing) Fail(*actor.Context, fail) (fail, error) { panic(crash) }

// TestCrashIsNotLogged: the panic that a test has asked for is no line of its log, and a
// panic of the entity itself is one.
func TestCrashIsNotLogged(t *testing.T) {
	for name, factory := range map[string]handlers.ActorFactory{
		"typed": actor.Define("failing", func(string) *failing { return &failing{} }, actor.OnRequest((*failing).Fail)).New,
		"protoactor": func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				if _, ok := ctx.Message().(*actor.Message); ok {
					panic(crash)
				}
			}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var lines bytes.Buffer
			bad := false
			opts := AloneOptions{Handler: handlers.Options{Around: func(ctx context.Context, _ *handlers.Incoming, next func(context.Context) error) error {
				if bad {
					panic("an Around")
				}
				return next(ctx)
			}}, log: slog.New(slog.NewTextHandler(&lines, nil)).WithGroup("g").With("a", 1)}
			Alone(t, factory, "a", opts, func(t *testing.T, e *Entity) {
				lines.Reset()
				e.Crash()
				e.Crash()
				if lines.Len() != 0 {
					t.Errorf("a crash is logged: %.200q", &lines)
				}
				if _, err := Ask[fail](e, fail{}); !errors.Is(err, cluster.ErrPanicked) {
					t.Errorf("got %v", err)
				}
				bad = true
				e.Crash()
				if n := strings.Count(lines.String(), "handler panicked"); n != 2 {
					t.Errorf("two panics of the program's own are logged %d times: %.200q", n, &lines)
				}
			})
		})
	}
}
