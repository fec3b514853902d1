// The series of the state of durable entities

package prommetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/metrics"
)

type stateSeries struct {
	without *labels[prometheus.Gauge] // by node
	commits *labels[*commitSeries]    // by kind
}

// commitSeries are the commits of one kind.
type commitSeries struct {
	open     prometheus.Gauge
	duration prometheus.Observer
	ended    *labels[prometheus.Counter] // by result
}

func newStateSeries(reg prometheus.Registerer) *stateSeries {
	without := gauge(reg, "shards_without_state", "Shards of the node that wait for the store of state.", "node_id")
	open := gauge(reg, "commits_in_flight", "Changes of entities that are being stored.", "kind")
	duration := histogram(reg, "commit_duration_seconds", "Time until a change of an entity was stored, or was not.", "kind")
	ended := counter(reg, "commits_total", "Changes of entities that were stored, or were not.", "kind", "result")
	return &stateSeries{
		without: newLabels(func(value string) prometheus.Gauge { return without.WithLabelValues(value) }),
		commits: newLabels(func(kind string) *commitSeries {
			return &commitSeries{
				open: open.WithLabelValues(kind), duration: duration.WithLabelValues(kind),
				ended: newLabels(func(result string) prometheus.Counter { return ended.WithLabelValues(kind, result) }),
			}
		}),
	}
}

// ShardsWithoutState implements [cluster.StateMetrics].
func (s *stateSeries) ShardsWithoutState(nodeID string, count int) {
	s.without.of(nodeID).Set(float64(count))
}

// CommitStarted implements [cluster.StateMetrics].
func (s *stateSeries) CommitStarted(kind string) metrics.Timer {
	c := s.commits.of(kind)
	c.open.Inc()
	return startTimer(c.duration)
}

// CommitEnded implements [cluster.StateMetrics].
func (s *stateSeries) CommitEnded(kind, result string) {
	c := s.commits.of(kind)
	c.open.Dec()
	c.ended.of(result).Inc()
}
