package handlers_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// wordy is a reply whose own code has much to say of what is wrong.
type wordy struct{}

var errWordy = errors.New(strings.Repeat("é", 200<<10))

func (wordy) MarshalJSON() ([]byte, error) { return nil, errWordy }

type quietly struct{}

// TestLongErrorsAreCut: of an application's error the same travels at most, be it a
// handler's, an activation's, or that of a reply that does not encode.
func TestLongErrorsAreCut(t *testing.T) {
	wordies := actor.Define("wordy", func(string) *struct{} { return new(struct{}) },
		actor.OnActivate(func(_ *struct{}, c *actor.Context) error {
			if c.Key() == "bad" {
				return errWordy
			}
			return nil
		}),
		actor.OnRequest(func(*struct{}, *actor.Context, quietly) (wordy, error) { return wordy{}, nil }))
	inEachForm(t, func() transport.HandlerFunc { return handlers.NewActorHandler(wordies.New) }, func(t *testing.T, _ form, call caller) {
		for _, c := range []struct {
			key, msgType string
			is           error
		}{
			{"bad", "quietly", outcome.ErrActivationFailed}, {"bad", "quietly", outcome.ErrActivationFailed}, // and in the back-off
			{"good", "quietly", outcome.ErrReply},
		} {
			_, err := call(t.Context(), transport.Envelope{Key: c.key, Type: c.msgType, Data: []byte("{}")})
			e, ok := errors.AsType[*outcome.Error](err)
			if !ok || !errors.Is(err, c.is) || !e.Cut || len(err.Error()) > bounds.MaxErrorBytes || !strings.Contains(err.Error(), "ééé...") {
				t.Errorf("%s: %.80v, %d bytes", c.msgType, err, len(err.Error()))
			}
		}
	})
}
