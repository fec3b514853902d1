package dispatch

import (
	"errors"
	"testing"

	"github.com/clstr-go/clstr/outcome"
)

// TestOutcomeOfAFunc: what a func's nested calls have said decides what is known of the call
// that the func fails: what may have run stays so, whatever is said later.
func TestOutcomeOfAFunc(t *testing.T) {
	maybe := outcome.New(outcome.ErrPanicked)
	never := outcome.New(outcome.ErrDraining).WithOutcome(outcome.NotStarted)
	own := errors.New("the func's own")
	for name, c := range map[string]struct {
		inner []error
		err   error
		want  outcome.Outcome
	}{
		"no nested call":              {nil, own, outcome.RanAndFailed},
		"one succeeded":               {[]error{nil}, own, outcome.RanAndFailed},
		"one may have run":            {[]error{maybe}, own, outcome.MaybeRan},
		"and another was refused":     {[]error{maybe, never}, own, outcome.MaybeRan},
		"whose refusal is passed on":  {[]error{maybe, never}, never, outcome.MaybeRan},
		"the other way round":         {[]error{never, maybe}, maybe, outcome.MaybeRan},
		"and another succeeded":       {[]error{maybe, nil}, own, outcome.MaybeRan},
		"refused":                     {[]error{never}, never, outcome.NotStarted},
		"refused, with an own error":  {[]error{never}, own, outcome.RanAndFailed},
		"refused after one succeeded": {[]error{nil, never}, never, outcome.RanAndFailed},
	} {
		var a arrival
		for _, err := range c.inner {
			a.passedOn(err)
		}
		if got := a.funcError(c.err).Outcome; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
