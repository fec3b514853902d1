// What a node answers to GetNodeInfo

package cluster

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
)

// GetNodeInfoRequest is a request for node metadata. Send via
// [ScopedClient.GetNodeInfo].
type GetNodeInfoRequest struct{}

// MessageType names the message on the wire.
func (GetNodeInfoRequest) MessageType() string { return MsgClusterNodeInfo }

// GetNodeInfoResponse contains node metadata returned by [GetNodeInfoRequest].
type GetNodeInfoResponse struct {
	// NodeID is the unique identifier of the responding node.
	NodeID string `json:"node_id"`
	// Shards is the list of shard IDs owned by this node.
	Shards []uint32 `json:"shards"`
}

// nodeInfo answers questions for node metadata. A node may own a million shards. So nodeInfo
// answers on a goroutine of its own, not on a reader of the transport. The goroutine waits
// for no handler, and makes one answer for all questions that wait.
type nodeInfo struct {
	n    *Node
	work sync.WaitGroup

	mu      sync.Mutex
	waiting []*dispatch.Call
}

// answerSoon takes the call over. It does not block.
func (i *nodeInfo) answerSoon(c *dispatch.Call) {
	i.mu.Lock()
	i.waiting = append(i.waiting, c)
	first := len(i.waiting) == 1
	i.mu.Unlock()
	if first {
		i.work.Go(i.answer) // ends with the answer
	}
}

func (i *nodeInfo) answer() {
	info := GetNodeInfoResponse{NodeID: i.n.opts.NodeID, Shards: i.n.opts.Shards}
	if i.n.living != nil {
		info.Shards = i.n.living.shards()
	}
	b, _ := json.Marshal(info) // a name and numbers
	i.mu.Lock()
	waiting := i.waiting
	i.waiting = nil
	i.mu.Unlock()
	for _, c := range waiting {
		if c.Start(nil) {
			c.Reply(bytes.Clone(b), nil) // it belongs to the caller
			c.End()
		}
	}
}
