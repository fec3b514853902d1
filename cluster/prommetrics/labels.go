// The bound on label values

package prommetrics

import (
	"maps"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	maxValues     = 100 // label values told apart
	maxValueBytes = 100 // of one label value

	valueNone  = "none"  // stands for an empty name
	valueOther = "other" // stands for all that are not told apart
)

// labels keeps what belongs to each value of one label, and bounds the number of
// values. Readers take no lock and allocate nothing: the map never changes, but is
// replaced.
type labels[T any] struct {
	known atomic.Pointer[map[string]T]
	mu    sync.Mutex // serialises writers
	make  func(value string) T
	other func() T // made on first use, so that an unused series is not shown
}

func newLabels[T any](make func(value string) T) *labels[T] {
	l := &labels[T]{make: make, other: sync.OnceValue(func() T { return make(valueOther) })}
	l.known.Store(&map[string]T{})
	return l
}

// of returns what belongs to a name.
func (l *labels[T]) of(name string) T {
	if t, ok := (*l.known.Load())[name]; ok {
		return t
	}
	return l.add(name)
}

func (l *labels[T]) add(name string) T {
	// The names of the two folds are not counted, so a caller's own "other" is the same
	// series.
	if name == valueOther || len(name) > maxValueBytes || !utf8.ValidString(name) {
		return l.other()
	}
	if len(*l.known.Load()) >= maxValues {
		return l.other()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := *l.known.Load()
	if t, ok := old[name]; ok {
		return t
	}
	if len(old) >= maxValues {
		return l.other()
	}
	value := name
	if value == "" {
		value = valueNone
	}
	known := maps.Clone(old)
	known[name] = l.make(value)
	l.known.Store(&known)
	return known[name]
}
