// Package prommetrics is cluster.ClusterMetrics for Prometheus.
package prommetrics

import _ "github.com/prometheus/client_golang/prometheus"
