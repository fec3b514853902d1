package hosting

import (
	"context"
	"testing"
)

// TestOneAnswerOfAnAround: an answer that was given on the turn leaves when Around has returned. One that comes in
// between, from another goroutine, does not overtake it.
func TestOneAnswerOfAnAround(t *testing.T) {
	around := func(ctx context.Context, _ *Incoming, next func(context.Context) error) error { return next(ctx) }
	for _, early := range []bool{true, false} {
		in := &Incoming{}
		a, answered := in.run(around, t.Context(), func(context.Context) {
			if early {
				in.keep(answer{data: []byte("first")})
			}
		})
		if answered != early || early != (string(a.data) == "first") {
			t.Errorf("answered %v with %q, want %v", answered, a.data, early)
		}
		if kept := in.keep(answer{data: []byte("second")}); kept != early {
			t.Errorf("a second answer was kept back: %v, want %v", kept, early)
		}
	}
}
