package prommetrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Misser is a transport that counts the notifications without an acknowledgement that
// have surely reached nobody, as natstransport's does. A transport in this process
// tells the sender instead.
type Misser interface{ MissedNotifications() uint64 }

// RegisterTransport registers missed_notifications_total, which is what the transport
// counts. What the transports that are registered at one registerer count is added up.
// It panics if the registerer holds something else under the name.
func RegisterTransport(reg prometheus.Registerer, t Misser) {
	register(reg, missedName, &missed{desc: prometheus.NewDesc(prefix+missedName, "Notifications without an acknowledgement that have reached nobody.", nil, nil)}).add(t)
}

const missedName = "missed_notifications_total"

// missed is the sum of what transports count.
type missed struct {
	desc *prometheus.Desc

	mu   sync.Mutex
	from []Misser
}

func (m *missed) add(t Misser) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from = append(m.from, t)
}

// Describe implements prometheus.Collector.
func (m *missed) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

// Collect implements prometheus.Collector.
func (m *missed) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum uint64
	for _, t := range m.from {
		sum += t.MissedNotifications()
	}
	to <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(sum))
}
