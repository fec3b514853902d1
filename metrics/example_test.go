package metrics_test

import (
	"fmt"
	"time"

	"github.com/clstr-go/clstr/metrics"
)

// stopwatch is a timer of another metrics library.
type stopwatch struct {
	started time.Time
	record  func(time.Duration)
}

// ObserveDuration implements [metrics.Timer].
func (s stopwatch) ObserveDuration() { s.record(time.Since(s.started)) }

// What implements a metrics interface of this module hands out timers, which
// have started; what measures nothing hands out NopTimer.
func ExampleTimer() {
	measured := 0
	start := func(wanted bool) metrics.Timer {
		if !wanted {
			return metrics.NopTimer
		}
		return stopwatch{time.Now(), func(time.Duration) { measured++ }}
	}
	for _, wanted := range []bool{true, false, true} {
		t := start(wanted)
		t.ObserveDuration()
	}
	fmt.Println(measured, "durations")
	// Output: 2 durations
}
