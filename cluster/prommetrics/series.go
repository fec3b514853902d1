package prommetrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// typeSeries is what one message type has. A client has no series of handlers
// and a node none of requests, so each group is looked up when it is first fed.
type typeSeries struct {
	m     *clusterMetrics
	value string

	request, notify, handler atomic.Pointer[calls]
}

// calls are the series of one type of message in one place.
type calls struct {
	duration   prometheus.Observer // nil for notifications
	ok, failed prometheus.Counter
}

func (c *calls) count(success bool) {
	if success {
		c.ok.Inc()
		return
	}
	c.failed.Inc()
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

// find may run twice at once: both find the same series.
func (t *typeSeries) find(at *atomic.Pointer[calls], durations *prometheus.HistogramVec, counts *prometheus.CounterVec) *calls {
	c := &calls{
		ok:     counts.WithLabelValues(t.value, "true"),
		failed: counts.WithLabelValues(t.value, "false"),
	}
	if durations != nil {
		c.duration = durations.WithLabelValues(t.value)
	}
	at.Store(c)
	return c
}

// timer is reused once it has been observed, so that a call allocates none.
type timer struct {
	start time.Time
	to    prometheus.Observer
	// Of a handler, whose series is found at the end; nil otherwise.
	handlers *clusterMetrics
	msgType  string
}

var timers = sync.Pool{New: func() any { return new(timer) }}

func startTimer(to prometheus.Observer) *timer {
	t := timers.Get().(*timer)
	t.to, t.start = to, time.Now()
	return t
}

// ObserveDuration implements [metrics.Timer]; the timer must not be used again.
func (t *timer) ObserveDuration() {
	to := t.to
	if t.handlers != nil {
		to = t.handlers.types.of(t.msgType).handlers().duration
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
