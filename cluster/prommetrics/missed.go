// RegisterTransport: what a transport counts

package prommetrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
)

// misser is a transport that counts the notifications without an acknowledgement that
// certainly reached no node, as natstransport does. Transports within one process tell
// the sender instead.
type misser interface{ MissedNotifications() uint64 }

// packetCounter is a transport that counts packets, as natstransport does.
type packetCounter interface {
	PacketCounts() (undecodable, refusedReplies uint64)
}

// dropper is a transport that counts the messages that it could not take in time, as natstransport does.
type dropper interface{ DroppedMessages() uint64 }

// RegisterTransport registers what a transport counts: handlers_running and handlers_waiting, which are read when the
// metrics are, and over NATS missed_notifications_total, dropped_messages_total, undecodable_packets_total and
// refused_replies_total. The counts of all transports of one registerer add up. RegisterTransport panics if the
// registerer holds something else under one of the names.
func RegisterTransport(reg prometheus.Registerer, t cluster.Transport) {
	if _, _, ok := cluster.HandlerLoad(t); ok {
		level(reg, "handlers_running", "Handlers and hooks that run, and count against MaxConcurrentHandlers.", func() uint64 { n, _, _ := cluster.HandlerLoad(t); return uint64(n) })
		level(reg, "handlers_waiting", "Handlers and hooks that wait because MaxConcurrentHandlers run.", func() uint64 { _, n, _ := cluster.HandlerLoad(t); return uint64(n) })
	}
	if m, ok := t.(misser); ok {
		sum(reg, "missed_notifications_total", "Notifications without an acknowledgement that reached no node.", m.MissedNotifications)
	}
	if d, ok := t.(dropper); ok {
		sum(reg, "dropped_messages_total", "Messages that were dropped, because they came faster than they were taken.", d.DroppedMessages)
	}
	if p, ok := t.(packetCounter); ok {
		sum(reg, "undecodable_packets_total", "Packets that did not decode.", func() uint64 { n, _ := p.PacketCounts(); return n })
		sum(reg, "refused_replies_total", "Replies that were not sent, because their subject was refused.", func() uint64 { _, n := p.PacketCounts(); return n })
	}
}

// sum registers a counter that is the sum of what transports count.
func sum(reg prometheus.Registerer, name, help string, from func() uint64) {
	register(reg, name, &sums{kind: prometheus.CounterValue, desc: prometheus.NewDesc(prefix+name, help, nil, nil)}).add(from)
}

// level registers a gauge that is the sum of what transports have at the moment.
func level(reg prometheus.Registerer, name, help string, from func() uint64) {
	register(reg, name, &sums{kind: prometheus.GaugeValue, desc: prometheus.NewDesc(prefix+name, help, nil, nil)}).add(from)
}

// sums is the sum of what transports count.
type sums struct {
	kind prometheus.ValueType
	desc *prometheus.Desc

	mu   sync.Mutex
	from []func() uint64
}

func (m *sums) add(from func() uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from = append(m.from, from)
}

// Describe implements prometheus.Collector.
func (m *sums) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

// Collect implements prometheus.Collector.
func (m *sums) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum uint64
	for _, count := range m.from {
		sum += count()
	}
	to <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(sum))
}
