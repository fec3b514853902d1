// How a node reaches others, and whether it is reached

package cluster

import (
	"context"
	"encoding/json"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// reach is what a node's coordinator asks of the network.
type reach struct {
	n       *Node
	hearer  dispatch.Hearer // nil: the transport cannot tell
	metrics MemberMetrics   // may be nil
}

func newReach(n *Node) reach {
	r := reach{n: n}
	r.hearer, _ = dispatch.BackendOf(n.opts.Transport).(dispatch.Hearer)
	r.metrics, _ = n.metrics.(MemberMetrics)
	return r
}

// Heard tells the coordinator whether what is sent to the node arrives.
func (r reach) Heard() (n uint64, known bool) {
	if r.hearer == nil {
		return 0, false
	}
	return r.hearer.Heard()
}

// AskItself sends the node something that Heard counts.
func (r reach) AskItself(again bool) {
	if r.hearer != nil {
		r.hearer.AskItself(again)
	}
}

// Refused tells the coordinator why the node gets no requests for its shards.
func (r reach) Refused() error {
	if r.hearer == nil {
		return nil
	}
	return r.hearer.Refused()
}

// Ask asks the owner of a shard for its name.
func (r reach) Ask(ctx context.Context, shard uint32) (name string, err error) {
	t, ok := r.n.opts.Transport.(ClientTransport)
	if !ok {
		return "", outcome.Errorf(outcome.ErrDisconnected, "%T sends nothing", r.n.opts.Transport)
	}
	b, err := t.Request(ctx, Envelope{Shard: int(shard), Type: MsgClusterNodeInfo, TTLMs: time.Second.Milliseconds()})
	if err != nil {
		return "", err
	}
	var info GetNodeInfoResponse
	err = json.Unmarshal(b, &info)
	return info.NodeID, err
}

// Asks reports whether the node can ask others over a network that may fail.
func (r reach) Asks() bool { return r.hearer != nil }

// Unreachable tells the metrics how many members the node does not reach.
func (r reach) Unreachable(count int) {
	if r.metrics != nil {
		sparse.Apart(r.n.opts.Log, "the metrics", func() { r.metrics.MembersUnreachable(r.n.opts.NodeID, count) })
	}
}

// Serves implements coordinator.Node. It asks a few owners.
func (r reach) Serves(ctx context.Context, epochs []uint64) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	left := 8
	for shard, epoch := range epochs {
		if epoch == 0 {
			continue
		}
		if left--; left < 0 || ctx.Err() != nil {
			break
		}
		if name, err := r.Ask(ctx, uint32(shard)); err == nil && name != "" {
			return name
		}
	}
	return ""
}
