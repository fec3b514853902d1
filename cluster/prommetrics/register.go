// Registering, and sharing what is registered

package prommetrics

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

const prefix = "clstr_cluster_"

// register returns the metric that is registered under c's name: c, or an equal one
// that was there before.
func register[C prometheus.Collector](reg prometheus.Registerer, name string, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if err == nil {
		return c
	}
	if are, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := are.ExistingCollector.(C); ok {
			return same
		}
	}
	panic(fmt.Sprintf("clstr: the registerer holds another metric named %s: %v", prefix+name, err))
}

func counter(reg prometheus.Registerer, name, help string, labelNames ...string) *prometheus.CounterVec {
	return register(reg, name, prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labelNames))
}

func gauge(reg prometheus.Registerer, name, help string, labelNames ...string) *prometheus.GaugeVec {
	return register(reg, name, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labelNames))
}

// histogram makes a histogram of seconds.
func histogram(reg prometheus.Registerer, name, help string, labelNames ...string) *prometheus.HistogramVec {
	opts := prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}
	return register(reg, name, prometheus.NewHistogramVec(opts, labelNames))
}

// one makes the series of a counter with one label.
func one(c *prometheus.CounterVec) func(value string) prometheus.Counter {
	return func(value string) prometheus.Counter { return c.WithLabelValues(value) }
}
