// The series of a message type; timers

package prommetrics

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
)

// kindTypes holds the series of one kind, by message type.
type kindTypes = *labels[*typeSeries]

// typeSeries holds the series of one message type of one kind. A client has no series
// of handlers, and a node has none of requests, so each group is looked up when it is
// first fed.
type typeSeries struct {
	m           *clusterMetrics
	kind, value string

	request, notify, handler atomic.Pointer[calls]
}

// outcomes are the values of the label, in the order of cluster.Outcome. The last is
// for programs that do not say the outcome.
var outcomes = [...]string{"succeeded", "not_sent", "not_started", "maybe_ran", "ran_and_failed", "unknown"}

const unknownOutcome = len(outcomes) - 1

// calls holds the series of one type of message in one place.
type calls struct {
	duration prometheus.Observer // nil for notifications
	ended    [len(outcomes)]func() prometheus.Counter
}

func (c *calls) count(o cluster.Outcome) { c.ended[min(int(o), unknownOutcome)]().Inc() }

// success counts a call if only its success is known.
func (c *calls) success(ok bool) {
	o := unknownOutcome
	if ok {
		o = int(cluster.Succeeded)
	}
	c.ended[o]().Inc()
}

func (t *typeSeries) requests() *calls {
	if c := t.request.Load(); c != nil {
		return c
	}
	return t.find(&t.request, t.m.requestDuration, t.m.requests)
}

func (t *typeSeries) notifies() *calls {
	if c := t.notify.Load(); c != nil {
		return c
	}
	return t.find(&t.notify, nil, t.m.notifies)
}

func (t *typeSeries) handlers() *calls {
	if c := t.handler.Load(); c != nil {
		return c
	}
	return t.find(&t.handler, t.m.handlerDuration, t.m.handlers)
}

// find may run concurrently: all calls find the same series.
func (t *typeSeries) find(at *atomic.Pointer[calls], durations *prometheus.HistogramVec, counts *prometheus.CounterVec) *calls {
	c := &calls{}
	for i, outcome := range outcomes { // made on first use, so that an unused series is not shown
		success := strconv.FormatBool(i == int(cluster.Succeeded))
		c.ended[i] = sync.OnceValue(func() prometheus.Counter {
			return counts.WithLabelValues(t.kind, t.value, outcome, success)
		})
	}
	if durations != nil {
		c.duration = durations.WithLabelValues(t.kind, t.value)
	}
	at.Store(c)
	return c
}

// timer is reused after it was observed, so that a call allocates none.
type timer struct {
	start time.Time
	to    prometheus.Observer
	// For a handler, whose series is found at the end. nil otherwise.
	handlers      *clusterMetrics
	kind, msgType string
}

var timers = sync.Pool{New: func() any { return new(timer) }}

func startTimer(to prometheus.Observer) *timer {
	t := timers.Get().(*timer)
	t.to, t.start = to, time.Now()
	return t
}

// ObserveDuration implements [metrics.Timer]. Do not use the timer again.
func (t *timer) ObserveDuration() {
	to := t.to
	if t.handlers != nil {
		to = t.handlers.types(t.kind, t.msgType).handlers().duration
	}
	if to == nil {
		return // observed before
	}
	to.Observe(time.Since(t.start).Seconds())
	*t = timer{}
	timers.Put(t)
}

// ObserveDurationAs is ObserveDuration for another message type.
func (t *timer) ObserveDurationAs(msgType string) {
	t.msgType = msgType
	t.ObserveDuration()
}
