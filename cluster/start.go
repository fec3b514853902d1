// Node.Start: Run beside its caller; how the node is, for others to ask

package cluster

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// Start runs the node beside its caller, and returns when it is ready, or when it
// has ended before: with Run's error, ctx's, or [ErrDraining] for a node that was
// asked to leave. ctx bounds the start only: if it ends before the node is ready, the node
// leaves as it does at stop, and Start returns ctx's error. A program whose ctx ends at a
// signal takes that for a clean end. The node goes on until stop, which is
// to Run as the end of its context, waits as long, and returns its error; a further
// call waits for the first. Called by a handler or hook of this node, or of another on
// its transport value, stop does nothing and returns [ErrFromHandler]; called by a
// goroutine that such a handler waits for, it gives up. A node that ends by itself closes
// [Node.Ended].
func (n *Node) Start(ctx context.Context) (stop func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := n.begin(); err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	var result error
	go func() { // ends at stop, or by itself
		result = n.run(running)
		n.end(result)
	}()
	stop = func() error {
		life := n.life.Load()
		if life != nil && life.Pool().Inside() {
			return transport.Errorf(ErrFromHandler, "stop of node %s may wait for the handler that calls it, which runs on the node's transport: call it from a goroutine that the handler does not wait for", n.opts.NodeID)
		}
		end()
		if life != nil {
			if most := life.Beside(); most > 0 {
				return n.endedWithin(most+orDefault(n.opts.StopTimeout, defaultStopTimeout)+n.opts.DrainTimeout, &result)
			}
		}
		<-n.ended
		return result
	}
	select {
	case <-n.ready:
		return stop, nil
	case <-n.ended:
		if err = stop(); err == nil {
			err = transport.Errorf(ErrDraining, "node %s was asked to leave before it was ready", n.opts.NodeID)
		}
		return nil, err
	case <-ctx.Done():
		end() // also where stop cannot wait
		return nil, errors.Join(ctx.Err(), stop())
	}
}

// endedWithin waits for the node's end, and its result, so long at most.
func (n *Node) endedWithin(most time.Duration, result *error) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-n.ended:
		return *result
	case <-timer.C:
		return transport.Errorf(ErrHandlerTimeout, "node %s has not ended after %v: a handler has started the goroutine that calls stop, and may wait for it", n.opts.NodeID, most)
	}
}

// Ended returns a channel that is closed when the node has ended: after stop, by
// itself as [Node.Run] says, or at once where an option cannot work.
func (n *Node) Ended() <-chan struct{} { return n.ended }

// Health returns how the node is now. It may be called at any time, before
// [Node.Run] too, and does not block.
func (n *Node) Health() Health { return n.vitals.health() }

// HealthHandler answers probes of the node over HTTP. It looks at the last part of the
// path only, so that it may stand anywhere:
//
//	/livez   200 while the node lives; 503 when it has ended with an error, and only a
//	         new start of the process can help. An outage of NATS is no such thing.
//	/readyz  200 while the node serves: [Health].Serving; 503 while it does not.
//
// The body of both is the [Health] as JSON. Its why and error say what to look at.
// It does not block, and shows neither keys nor payloads.
func (n *Node) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Health().ServeHTTP(w, r) })
}
