// Package prommetrics is cluster.ClusterMetrics for Prometheus.
//
//	m := prommetrics.NewClusterMetrics(prometheus.DefaultRegisterer)
//	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64, Metrics: m})
//	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, Shards: shards, Handler: h, Metrics: m})
//
// All names start with clstr_cluster_:
//
//	request_duration_seconds    histogram  message_type           client requests
//	requests_total              counter    message_type, success  client requests
//	notifies_total              counter    message_type, success  client notifications
//	transport_errors_total      counter    error_type             failed calls that no handler failed
//	handler_duration_seconds    histogram  message_type           handlers on nodes
//	handlers_total              counter    message_type, success  handlers on nodes
//	handlers_active             gauge      node_id                handlers that run now
//	shards_owned                gauge      node_id                shards that a node serves, 0 while it can serve none
//	activations_total           counter    kind                   keys that got an actor
//	activation_failures_total   counter    kind                   keys whose actor could not be made
//	passivations_total          counter    kind                   actors that were stopped
//	returned_keys_total         counter    kind                   keys that got an actor again soon after they had made room for others: CacheSize is too small
//	mailbox_refusals_total      counter    kind                   messages that found a mailbox full
//	active_keys                 gauge      kind                   keys that have an actor now
//	refused_calls_total         counter    code                   calls that a node did not take
//	failed_notifications_total  counter    code                   notifications that failed when nobody waited any more
//	missed_notifications_total  counter                           notifications without an ack that have reached nobody: see [RegisterTransport]
//	shards_opened_total         counter    why                    shards that a node with a membership has begun to serve: "claim" or "handoff"
//	handoff_pause_seconds       histogram                         for how long nobody served a shard that was handed over
//	handoff_calls_total         counter    fate                   calls that the hand-over of their shard has cost something: "parked", "dropped" or "lost", see [cluster.DrainCounts]
//
// # Bounds
//
// Message types come from callers, so the number of series must not: each label
// has at most 100 values of its own in one ClusterMetrics, in the order in which
// they came; further ones count as "other". On a node, types that its entities do
// not know count as "unknown" and take no place. An empty name is "none"; one that is
// not UTF-8 or longer than 100 bytes is "other".
//
// Nothing blocks, and nothing allocates for a value that was seen before. The
// tests and the benchmark lie beside the files.
package prommetrics
