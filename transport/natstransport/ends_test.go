package natstransport

import (
	"runtime"
	"testing"

	"github.com/clstr-go/clstr/outcome"
)

// leaver ends the goroutine that tells it.
type leaver struct{ told int }

func (l *leaver) Told(error) { l.told++; runtime.Goexit() }

// TestCallsBehindOneThatEndsTheGoroutine: a request, and the goroutine that tells, are as before although the metrics of
// notifications end the goroutine on which they run.
func TestCallsBehindOneThatEndsTheGoroutine(t *testing.T) {
	tr := &Transport{}
	first, second := &leaver{}, &leaver{}
	request := &call{t: tr, signal: make(chan struct{}, 1)}
	goesOn, over := false, make(chan struct{})
	go func() { // ends at once
		defer close(over)
		decideAll([]*call{{t: tr, told: first}, {t: tr, told: second}, request}, func(*call) *outcome.Error {
			return outcome.New(outcome.ErrConnectionLost)
		})
		goesOn = true
	}()
	<-over
	if !goesOn || len(request.signal) != 1 || first.told != 1 || second.told != 1 {
		t.Errorf("goes on %v, the request was told %d times, the notifications %d and %d times; want one each", goesOn, len(request.signal), first.told, second.told)
	}
}
