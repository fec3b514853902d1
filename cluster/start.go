// Node.Start: Run beside its caller; how the node is, for others to ask

package cluster

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// Start runs the node in the background. It returns when the node is ready, or when it
// has ended before that: with Run's error, with ctx's, or with [ErrDraining] for a node
// that was asked to leave. ctx bounds only the start. If it ends before the node is
// ready, the node leaves as it does at stop, and Start returns ctx's error. If ctx ends at a
// signal, the program should take that error for a clean end.
//
// The node runs until stop is called. stop ends the node as the end of Run's context does, waits
// for the node, and returns Run's error. A second call waits for the first. If a handler or hook
// of this node, or of another node on its transport value, calls stop, stop does nothing and
// returns [ErrFromHandler]. If such a handler waits for a goroutine that calls stop, stop gives up
// after a while. A log handler, a method of the metrics and a method of a store get [ErrFromHandler],
// too, because the node waits for them: call stop on a goroutine that they do not wait for. A node
// that ends by itself closes [Node.Ended].
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
			return outcome.Errorf(ErrFromHandler, "stop of node %s was called by a handler that runs on the node's transport, and would wait for that handler: call it from a goroutine that the handler does not wait for", n.opts.NodeID)
		}
		if sparse.Inside() {
			return outcome.Errorf(ErrFromHandler, "stop of node %s was called by a log handler, a metric or a store, and the node waits for that code: call stop from a goroutine that the code does not wait for", n.opts.NodeID)
		}
		end()
		if life != nil {
			if most := life.Beside(); most > 0 {
				return n.endedWithin(most+n.opts.StopTimeout+n.opts.DrainTimeout, &result)
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
			err = outcome.Errorf(ErrDraining, "node %s was asked to leave before it was ready", n.opts.NodeID)
		}
		return nil, err
	case <-ctx.Done():
		end() // also where stop cannot wait
		return nil, errors.Join(ctx.Err(), stop())
	}
}

// endedWithin waits for the node's end, at most so long, and returns its result.
func (n *Node) endedWithin(most time.Duration, result *error) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-n.ended:
		return *result
	case <-timer.C:
		return outcome.Errorf(ErrHandlerTimeout, "node %s has not ended after %v: a handler has started the goroutine that calls stop, and may wait for it", n.opts.NodeID, most)
	}
}

// Ended returns a channel that is closed when the node has ended: after stop, by itself
// as [Node.Run] says, or at once if an option cannot work. Of a nil node it returns nil: what is not there does not end.
func (n *Node) Ended() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.ended
}

// Health returns the node's present health. It may be called at any time, also before
// [Node.Run], and does not block.
func (n *Node) Health() Health { return n.vitals.health() }

// HealthHandler answers probes of the node over HTTP. It looks only at the last part of
// the path, so it can be mounted anywhere:
//
//	/livez   200 while the node lives. 503 when it has ended with an error and only a restart
//	         of the process can help. An outage of NATS is no reason for that.
//	/readyz  200 while the node serves ([Health].Serving). 503 while it does not.
//
// The body of both is the [Health] as JSON; its fields why and error say what to look
// at. The handler does not block, and shows neither keys nor payloads.
func (n *Node) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Health().ServeHTTP(w, r) })
}
