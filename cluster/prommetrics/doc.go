// Package prommetrics feeds cluster.ClusterMetrics to Prometheus.
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
//	transport_errors_total      counter    code                   calls that failed, but not by a handler's error
//	handler_duration_seconds    histogram  kind, message_type: handlers on nodes
//	handlers_total              counter    kind, message_type, outcome, success: handlers on nodes
//	handlers_active             gauge      node_id                handlers that are running
//	shards_owned                gauge      node_id                shards that a node serves; 0 while it has no lease or no connection
//	members_unreachable         gauge      node_id                members that the node does not reach, or that do not reach it, although both reach the store
//	activations_total           counter    kind                   keys that got an actor
//	activation_failures_total   counter    kind                   keys whose actor could not be made
//	passivations_total          counter    kind                   actors that have stopped
//	returned_keys_total         counter    kind                   keys that needed an actor again soon after they were evicted: CacheSize is too small
//	mailbox_refusals_total      counter    kind                   messages that met a full mailbox
//	active_keys                 gauge      kind                   keys that have an actor which is not stopping
//	refused_calls_total         counter    code                   calls that a node refused
//	failed_notifications_total  counter    code                   notifications that failed after they were accepted
//	handlers_running            gauge                             handlers and hooks that count against MaxConcurrentHandlers: see [RegisterTransport]
//	handlers_waiting            gauge                             handlers and hooks that wait because MaxConcurrentHandlers run: see [RegisterTransport]
//	missed_notifications_total  counter                           notifications without an acknowledgement that reached no node: see [RegisterTransport]
//	dropped_messages_total      counter                           messages that came over NATS faster than this end took them: see [RegisterTransport]
//	undecodable_packets_total   counter                           packets that did not decode: see [RegisterTransport]
//	refused_replies_total       counter                           replies that were not sent, because their subject was refused: see [RegisterTransport]
//	shards_without_state        gauge      node_id                shards of the node that wait for the store of state
//	commits_in_flight           gauge      kind                   changes of entities that are being stored
//	commit_duration_seconds     histogram  kind                   the time until a change was stored, or was not
//	commits_total               counter    kind, result           changes of entities: "stored", "deposed", "refused" or "in_doubt", see [cluster.StateMetrics]
//	shards_opened_total         counter    why                    shards that a node of a live cluster began to serve: "claim" or "handoff"
//	handoff_pause_seconds       histogram                         the time from the end of a shard's service until its record named the next owner, as in clstr drain
//	handoff_calls_total         counter    fate                   calls that the hand-over of their shard delayed or lost: "parked", "dropped" or "lost", see [cluster.DrainCounts]
//
// outcome is succeeded, not_sent, not_started, maybe_ran or ran_and_failed. It is unknown
// if a program feeds the ClusterMetrics itself. success is "true" for succeeded only;
// dashboards of the reference system ask for that label. code is the result of
// [cluster.CodeOf], the same word as in errors and logs: deadline, expired,
// no_subscriber. kind is "none" for messages without one.
//
// # Bounds
//
// Message types come from callers, so callers must not be able to add series without end.
// In one ClusterMetrics each label keeps the first 100 values that come, and message types
// the first 100 of each kind. Later values count as "other". On a node, types that its
// entities do not know count as "unknown" and take none of these places. An empty name
// counts as "none". A name that is not UTF-8, or is longer than 100 bytes, counts as
// "other".
//
// Nothing blocks, and a value that was seen before costs no allocation. The tests and the
// benchmark are beside the files.
package prommetrics
