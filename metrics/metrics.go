// Timer, which metrics interfaces share

package metrics

// Timer measures one duration. It has started when it is made.
type Timer interface {
	// ObserveDuration records the time since the timer was made.
	ObserveDuration()
}

// NopTimer is a timer that records nothing.
var NopTimer Timer = nopTimer{}

type nopTimer struct{}

func (nopTimer) ObserveDuration() {}
