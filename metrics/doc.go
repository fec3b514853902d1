// Package metrics holds what the metrics interfaces of this module share. It
// links no metrics library; cluster/prommetrics does.
package metrics
