// ClusterMetrics, and the optional interfaces for more

package cluster

import (
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// ClusterMetrics is the metrics interface of clients and nodes. All methods are safe
// for concurrent use and must not block. Message types come from callers, so an
// implementation must bound how many types it tells apart.
type ClusterMetrics interface {
	// Client operations.
	RequestDuration(msgType string) metrics.Timer
	RequestCompleted(msgType string, success bool)
	NotifyCompleted(msgType string, success bool)

	// TransportError counts failed calls by the code of their error ([CodeOf]), for
	// example no_subscriber, deadline, expired and transport_closed. Errors that a
	// handler returned do not count.
	TransportError(code string)

	// Handler operations. A message that no entity of the node has a handler for counts
	// as the type "unknown". The node learns that only at the end: if the timer has a
	// method ObserveDurationAs(msgType string), the node calls that instead of
	// ObserveDuration.
	HandlerDuration(msgType string) metrics.Timer
	HandlerCompleted(msgType string, success bool)
	HandlersActive(nodeID string, count int)

	// ShardsOwned is the number of shards that a node serves: 0 while it can serve
	// none, because its lease has ended or its transport has no connection. See
	// [Health].
	ShardsOwned(nodeID string, count int)
}

// CallMetrics may be implemented by a [ClusterMetrics] that tells calls apart by their
// kind (empty for messages without one) and by their outcome. Its methods replace
// RequestDuration, RequestCompleted, NotifyCompleted, HandlerDuration and
// HandlerCompleted, and are called at the same moments.
type CallMetrics interface {
	RequestStarted(kind, msgType string) metrics.Timer
	RequestEnded(kind, msgType string, o Outcome)
	NotifyEnded(kind, msgType string, o Outcome)
	HandlerStarted(kind, msgType string) metrics.Timer
	HandlerEnded(kind, msgType string, o Outcome)
}

// byKind is a ClusterMetrics that knows no kinds.
type byKind struct{ ClusterMetrics }

func (m byKind) RequestStarted(_, msgType string) metrics.Timer { return m.RequestDuration(msgType) }

func (m byKind) RequestEnded(_, msgType string, o Outcome) {
	m.RequestCompleted(msgType, o == Succeeded)
}

func (m byKind) NotifyEnded(_, msgType string, o Outcome) { m.NotifyCompleted(msgType, o == Succeeded) }

func (m byKind) HandlerStarted(_, msgType string) metrics.Timer { return m.HandlerDuration(msgType) }

func (m byKind) HandlerEnded(_, msgType string, o Outcome) {
	m.HandlerCompleted(msgType, o == Succeeded)
}

// callMetrics returns the metrics that count the calls of a client or a node; nil if m is nil.
func callMetrics(m ClusterMetrics) CallMetrics {
	if m == nil {
		return nil
	}
	if calls, ok := m.(CallMetrics); ok {
		return calls
	}
	return byKind{m}
}

// meter measures the calls of a client. Metrics that panic cost a line of the log: they
// must not hurt the caller, which may be an entity on its turn.
type meter struct {
	metrics ClusterMetrics
	calls   CallMetrics // metrics; nil as that is
	log     *slog.Logger
}

// begin is called as a request begins.
func (m *meter) begin(kind, msgType string) metrics.Timer {
	defer sparse.Recover(m.log, "the metrics")
	return m.calls.RequestStarted(kind, msgType)
}

// observe is called when the request is over.
func (m *meter) observe(t metrics.Timer) {
	if t != nil { // beginning it has not panicked
		defer sparse.Recover(m.log, "the metrics")
		t.ObserveDuration()
	}
}

// count counts how a call has ended.
func (m *meter) count(env *Envelope, err error) {
	defer sparse.Recover(m.log, "the metrics")
	if o := OutcomeOf(err); env.Delivery == transport.AwaitReply {
		m.calls.RequestEnded(env.Kind, env.Type, o)
	} else {
		m.calls.NotifyEnded(env.Kind, env.Type, o)
	}
	if err == nil {
		return
	}
	if code := failedBy(err); code != "" {
		m.metrics.TransportError(code)
	}
}

// EntityMetrics may be implemented by a [ClusterMetrics] that also measures keys, and what
// the node refuses or fails.
type EntityMetrics interface {
	// Activated and Passivated count incarnations.
	Activated(kind string)
	ActivationFailed(kind string)
	Passivated(kind string)
	// MailboxRefused counts messages that met a full mailbox.
	MailboxRefused(kind string)
	// ActiveKeys changes the number of active keys.
	ActiveKeys(kind string, delta int)
	// CallRefused counts calls that a node has refused, by code, including calls whose
	// sender does not wait. A notification that was accepted first counts with
	// NotificationFailed instead.
	CallRefused(code string)
	// KeyReturned counts keys that need an actor again soon after they were passivated
	// to make room for others: the handler's CacheSize is too small.
	KeyReturned(kind string)
	// NotificationFailed counts notifications that a node has accepted and that failed
	// later, by code: at their activation, their decoding, in their handler, or at the
	// end of their time or of the node. Their senders are not told. The log has a few
	// lines a second about them.
	NotificationFailed(code string)
}

// HandlerLoad returns what counts against MaxConcurrentHandlers of a transport at this moment: how many handlers and hooks run, and
// how many wait because as many as allowed run already. A handler that waits for another key, with its own context, counts as neither.
// When it has the answer, it may have to wait for a place, and then counts as waiting. Nodes on one transport share its limit. ok is
// false if the transport is not one of this library, and does not embed one. HandlerLoad costs the calls nothing, so a metric may call
// it whenever the metric is read, as prommetrics.RegisterTransport does.
func HandlerLoad(t Transport) (running, waiting int, ok bool) {
	if d := dispatch.DispatcherOf(t); d != nil {
		running, waiting = d.HandlerLoad()
		return running, waiting, true
	}
	return 0, 0, false
}

// MemberMetrics may be implemented by a [ClusterMetrics] that also measures how the nodes of a live
// cluster reach each other.
type MemberMetrics interface {
	// MembersUnreachable gets how many members a node does not reach, or do not reach the node, although
	// both reach the store of members. See [Health].
	MembersUnreachable(nodeID string, count int)
}

// ShardMetrics may be implemented by a [ClusterMetrics] that also measures the shards of
// live clusters, and what their moves cost callers.
type ShardMetrics interface {
	// ShardOpened counts shards that the node has begun to serve. why is "claim" if the
	// shard had no owner or its owner was dead, and "handoff" if the owner before
	// handed it over. For a hand-over, pause is the time from the end of the shard's
	// service until its record named the next owner, as in clstr drain. Otherwise it is
	// 0.
	ShardOpened(why string, pause time.Duration)
	// ShardDrained counts shards that the node has stopped serving, to hand them over.
	ShardDrained(cost DrainCounts)
}

// StateMetrics may be implemented by a [ClusterMetrics] that also measures the state of durable
// entities.
type StateMetrics interface {
	// ShardsWithoutState is how many of a node's shards wait for the store of state.
	ShardsWithoutState(nodeID string, count int)
	// CommitStarted is told of a change that is to be stored, and CommitEnded how that has
	// ended: "stored", "deposed" (the shard has another owner), "refused" (by a store that
	// is full, say) or "in_doubt" (the shard was lost before it was known).
	CommitStarted(kind string) metrics.Timer
	CommitEnded(kind, result string)
}

// NopClusterMetrics returns a no-op ClusterMetrics implementation.
func NopClusterMetrics() ClusterMetrics { return nopMetrics{} }

type nopMetrics struct{}

func (nopMetrics) RequestDuration(string) metrics.Timer { return metrics.NopTimer }
func (nopMetrics) RequestCompleted(string, bool)        {}
func (nopMetrics) NotifyCompleted(string, bool)         {}
func (nopMetrics) TransportError(string)                {}
func (nopMetrics) HandlerDuration(string) metrics.Timer { return metrics.NopTimer }
func (nopMetrics) HandlerCompleted(string, bool)        {}
func (nopMetrics) HandlersActive(string, int)           {}
func (nopMetrics) ShardsOwned(string, int)              {}

// measuring returns m, or nil if m measures nothing, so that measuring nothing costs
// nothing.
func measuring(m ClusterMetrics) ClusterMetrics {
	if _, nop := m.(nopMetrics); nop {
		return nil
	}
	return m
}

// failedBy is the code of a call that has failed; empty for the errors of handlers.
func failedBy(err error) string {
	if outcome.Of(err) == RanAndFailed {
		return "" // whatever its code: a handler may pass on what another call failed with
	}
	return outcome.CodeOf(err)
}
