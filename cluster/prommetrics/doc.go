// Package prommetrics is cluster.ClusterMetrics for Prometheus.
//
//	m := prommetrics.NewClusterMetrics(prometheus.DefaultRegisterer)
//	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64, Metrics: m})
//	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, Shards: shards, Handler: h, Metrics: m})
//
// All names start with clstr_cluster_:
//
//	request_duration_seconds    histogram  kind, message_type: client requests
//	requests_total              counter    kind, message_type, outcome, success: client requests
//	notifies_total              counter    kind, message_type, outcome, success: client notifications
//	transport_errors_total      counter    code                   failed calls that no handler failed
//	handler_duration_seconds    histogram  kind, message_type: handlers on nodes
//	handlers_total              counter    kind, message_type, outcome, success: handlers on nodes
//	handlers_active             gauge      node_id                handlers that run now
//	shards_owned                gauge      node_id                shards that a node serves, 0 while it can serve none
//	activations_total           counter    kind                   keys that got an actor
//	activation_failures_total   counter    kind                   keys whose actor could not be made
//	passivations_total          counter    kind                   actors that were stopped
//	returned_keys_total         counter    kind                   keys that got an actor again soon after they had made room for others: CacheSize is too small
//	mailbox_refusals_total      counter    kind                   messages that found a mailbox full
//	active_keys                 gauge      kind                   keys whose actor does not stop
//	refused_calls_total         counter    code                   calls that a node did not take
//	failed_notifications_total  counter    code                   notifications that failed when nobody waited any more
//	missed_notifications_total  counter                           notifications without an ack that have reached nobody: see [RegisterTransport]
//	undecodable_packets_total   counter                           packets that did not decode: see [RegisterTransport]
//	refused_replies_total       counter                           replies that were not sent, because their subject is refused: see [RegisterTransport]
//	shards_opened_total         counter    why                    shards that a node with a membership has begun to serve: "claim" or "handoff"
//	handoff_pause_seconds       histogram                         the time from the end of a shard's service until its record named the next owner, as clstr drain has it
//	handoff_calls_total         counter    fate                   calls that the hand-over of their shard has delayed or lost: "parked", "dropped" or "lost", see [cluster.DrainCounts]
//
// outcome is succeeded, not_sent, not_started, maybe_ran or ran_and_failed, and unknown
// where a program feeds the ClusterMetrics itself. success is "true" for the first of
// them: it is what dashboards of the reference system ask for. code is what
// [cluster.CodeOf] says, the same word as in errors and logs: deadline, expired,
// no_subscriber. kind is "none" for messages without one.
//
// # Bounds
//
// Message types come from callers, so the number of series must not grow with them. Each
// label has at most 100 values of its own in one ClusterMetrics, in the order in which
// they came, and message types 100 of each kind; further ones count as "other". On a
// node, types that its entities do not know count as "unknown" and take no place. An
// empty name is "none"; one that is not UTF-8 or longer than 100 bytes is "other".
//
// Nothing blocks, and nothing allocates for a value that was seen before. The
// tests and the benchmark lie beside the files.
package prommetrics
