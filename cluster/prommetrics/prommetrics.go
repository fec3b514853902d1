// NewClusterMetrics, and what it measures

package prommetrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
)

// buckets reach from a request within the process to the default deadline.
var buckets = []float64{
	10e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3,
	0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
}

var (
	_ cluster.ClusterMetrics = (*clusterMetrics)(nil)
	_ cluster.CallMetrics    = (*clusterMetrics)(nil)
	_ cluster.EntityMetrics  = (*clusterMetrics)(nil)
	_ cluster.ShardMetrics   = (*clusterMetrics)(nil)
	_ cluster.StateMetrics   = (*clusterMetrics)(nil)
	_ cluster.MemberMetrics  = (*clusterMetrics)(nil)
)

type clusterMetrics struct {
	requestDuration, handlerDuration *prometheus.HistogramVec
	requests, notifies, handlers     *prometheus.CounterVec

	calls  *labels[kindTypes]
	kinds  *labels[*kindSeries]
	nodes  *labels[*nodeSeries]
	errors *labels[prometheus.Counter]
	codes  *labels[prometheus.Counter]
	failed *labels[prometheus.Counter]
	opened *labels[prometheus.Counter]
	costs  *labels[prometheus.Counter] // of hand-overs
	silent *labels[prometheus.Gauge]   // members, by node
	*stateSeries
	pauses func() prometheus.Observer // made on first use: most nodes have no membership
}

// NewClusterMetrics makes the metrics of clients and nodes, and registers them. They
// also implement [cluster.CallMetrics], [cluster.EntityMetrics],
// [cluster.ShardMetrics], [cluster.StateMetrics] and [cluster.MemberMetrics].
//
// A second call with the same registerer shares the metrics of the first, so that the
// clients and nodes of one process add up. With a nil registerer they are registered
// nowhere. NewClusterMetrics panics if the registerer holds something else under one of
// the names.
func NewClusterMetrics(reg prometheus.Registerer) cluster.ClusterMetrics {
	m := &clusterMetrics{
		requestDuration: histogram(reg, "request_duration_seconds", "Latency of client requests.", "kind", "message_type"),
		handlerDuration: histogram(reg, "handler_duration_seconds", "Time that handlers took.", "kind", "message_type"),
		requests:        counter(reg, "requests_total", "Client requests.", "kind", "message_type", "outcome", "success"),
		notifies:        counter(reg, "notifies_total", "Client notifications.", "kind", "message_type", "outcome", "success"),
		handlers:        counter(reg, "handlers_total", "Handlers that have run.", "kind", "message_type", "outcome", "success"),
	}
	m.calls = newLabels(func(kind string) kindTypes {
		return newLabels(func(value string) *typeSeries { return &typeSeries{m: m, kind: kind, value: value} })
	})

	activations := counter(reg, "activations_total", "Keys that got an actor.", "kind")
	failures := counter(reg, "activation_failures_total", "Keys whose actor could not be made.", "kind")
	passivations := counter(reg, "passivations_total", "Actors of keys that have stopped.", "kind")
	returns := counter(reg, "returned_keys_total", "Keys that needed an actor again soon after they were evicted.", "kind")
	refusals := counter(reg, "mailbox_refusals_total", "Messages that met a full mailbox.", "kind")
	keys := gauge(reg, "active_keys", "Keys that have an actor.", "kind")
	m.kinds = newLabels(func(value string) *kindSeries {
		return &kindSeries{
			activations:  activations.WithLabelValues(value),
			failures:     failures.WithLabelValues(value),
			passivations: passivations.WithLabelValues(value),
			refusals:     refusals.WithLabelValues(value),
			returns:      returns.WithLabelValues(value),
			keys:         keys.WithLabelValues(value),
		}
	})

	active := gauge(reg, "handlers_active", "Handlers that run.", "node_id")
	shards := gauge(reg, "shards_owned", "Shards that the node serves; 0 while it has no lease or no connection.", "node_id")
	m.nodes = newLabels(func(value string) *nodeSeries {
		return &nodeSeries{active: active.WithLabelValues(value), shards: shards.WithLabelValues(value)}
	})

	m.errors = newLabels(one(counter(reg, "transport_errors_total", "Calls that failed, but not by a handler's error.", "code")))
	m.codes = newLabels(one(counter(reg, "refused_calls_total", "Calls that a node has refused.", "code")))
	m.failed = newLabels(one(counter(reg, "failed_notifications_total", "Notifications that failed after they were accepted.", "code")))
	m.opened = newLabels(one(counter(reg, "shards_opened_total", "Shards that a node began to serve.", "why")))
	m.costs = newLabels(one(counter(reg, "handoff_calls_total", "Calls that the hand-over of their shard has delayed or lost.", "fate")))
	silent := gauge(reg, "members_unreachable", "Members that the node does not reach, or that do not reach it, although both reach the store.", "node_id")
	m.silent = newLabels(func(value string) prometheus.Gauge { return silent.WithLabelValues(value) })
	m.stateSeries = newStateSeries(reg)
	pauses := histogram(reg, "handoff_pause_seconds", "How long no node served a shard that was handed over.")
	m.pauses = sync.OnceValue(func() prometheus.Observer { return pauses.WithLabelValues() })
	return m
}

// kindSeries and nodeSeries hold the series of one label value.
type kindSeries struct {
	activations, failures, passivations, refusals, returns prometheus.Counter
	keys                                                   prometheus.Gauge
}

type nodeSeries struct{ active, shards prometheus.Gauge }

func (m *clusterMetrics) types(kind, msgType string) *typeSeries { return m.calls.of(kind).of(msgType) }

// RequestStarted implements [cluster.CallMetrics].
func (m *clusterMetrics) RequestStarted(kind, msgType string) metrics.Timer {
	return startTimer(m.types(kind, msgType).requests().duration)
}

// RequestEnded implements [cluster.CallMetrics].
func (m *clusterMetrics) RequestEnded(kind, msgType string, o cluster.Outcome) {
	m.types(kind, msgType).requests().count(o)
}

// NotifyEnded implements [cluster.CallMetrics].
func (m *clusterMetrics) NotifyEnded(kind, msgType string, o cluster.Outcome) {
	m.types(kind, msgType).notifies().count(o)
}

// HandlerStarted implements [cluster.CallMetrics].
func (m *clusterMetrics) HandlerStarted(kind, msgType string) metrics.Timer {
	t := startTimer(nil)
	t.handlers, t.kind, t.msgType = m, kind, msgType // names are told apart at the end: this one may be nobody's
	return t
}

// HandlerEnded implements [cluster.CallMetrics].
func (m *clusterMetrics) HandlerEnded(kind, msgType string, o cluster.Outcome) {
	m.types(kind, msgType).handlers().count(o)
}

// RequestDuration implements [cluster.ClusterMetrics].
func (m *clusterMetrics) RequestDuration(msgType string) metrics.Timer {
	return m.RequestStarted("", msgType)
}

// RequestCompleted implements [cluster.ClusterMetrics].
func (m *clusterMetrics) RequestCompleted(msgType string, success bool) {
	m.types("", msgType).requests().success(success)
}

// NotifyCompleted implements [cluster.ClusterMetrics].
func (m *clusterMetrics) NotifyCompleted(msgType string, success bool) {
	m.types("", msgType).notifies().success(success)
}

// TransportError implements [cluster.ClusterMetrics].
func (m *clusterMetrics) TransportError(code string) { m.errors.of(code).Inc() }

// HandlerDuration implements [cluster.ClusterMetrics].
func (m *clusterMetrics) HandlerDuration(msgType string) metrics.Timer {
	return m.HandlerStarted("", msgType)
}

// HandlerCompleted implements [cluster.ClusterMetrics].
func (m *clusterMetrics) HandlerCompleted(msgType string, success bool) {
	m.types("", msgType).handlers().success(success)
}

// HandlersActive implements [cluster.ClusterMetrics].
func (m *clusterMetrics) HandlersActive(nodeID string, count int) {
	m.nodes.of(nodeID).active.Set(float64(count))
}

// ShardsOwned implements [cluster.ClusterMetrics].
func (m *clusterMetrics) ShardsOwned(nodeID string, count int) {
	m.nodes.of(nodeID).shards.Set(float64(count))
}

// Activated implements [cluster.EntityMetrics].
func (m *clusterMetrics) Activated(kind string) { m.kinds.of(kind).activations.Inc() }

// ActivationFailed implements [cluster.EntityMetrics].
func (m *clusterMetrics) ActivationFailed(kind string) { m.kinds.of(kind).failures.Inc() }

// Passivated implements [cluster.EntityMetrics].
func (m *clusterMetrics) Passivated(kind string) { m.kinds.of(kind).passivations.Inc() }

// KeyReturned implements [cluster.EntityMetrics].
func (m *clusterMetrics) KeyReturned(kind string) { m.kinds.of(kind).returns.Inc() }

// MailboxRefused implements [cluster.EntityMetrics].
func (m *clusterMetrics) MailboxRefused(kind string) { m.kinds.of(kind).refusals.Inc() }

// ActiveKeys implements [cluster.EntityMetrics].
func (m *clusterMetrics) ActiveKeys(kind string, delta int) {
	m.kinds.of(kind).keys.Add(float64(delta))
}

// CallRefused implements [cluster.EntityMetrics].
func (m *clusterMetrics) CallRefused(code string) { m.codes.of(code).Inc() }

// NotificationFailed implements [cluster.EntityMetrics].
func (m *clusterMetrics) NotificationFailed(code string) { m.failed.of(code).Inc() }

// ShardOpened implements [cluster.ShardMetrics].
func (m *clusterMetrics) ShardOpened(why string, pause time.Duration) {
	m.opened.of(why).Inc()
	if pause > 0 {
		m.pauses().Observe(pause.Seconds())
	}
}

// MembersUnreachable implements [cluster.MemberMetrics].
func (m *clusterMetrics) MembersUnreachable(nodeID string, count int) {
	m.silent.of(nodeID).Set(float64(count))
}

// ShardDrained implements [cluster.ShardMetrics].
func (m *clusterMetrics) ShardDrained(c cluster.DrainCounts) {
	m.costs.of("parked").Add(float64(c.Parked)) // or nothing, so that the series is there
	m.costs.of("dropped").Add(float64(c.Dropped))
	m.costs.of("lost").Add(float64(c.Lost))
}
