// How a node reaches others

package cluster

import (
	"context"
	"encoding/json"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// reach is what a node's coordinator asks of the network.
type reach struct {
	n       *Node
	metrics MemberMetrics // may be nil
}

func newReach(n *Node) reach {
	r := reach{n: n}
	r.metrics, _ = n.metrics.(MemberMetrics)
	return r
}

// Ask implements coordinator.Reacher.
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

// Unreachable implements coordinator.Reacher.
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
