// The end of a transport

package natstransport

import (
	"context"
	"maps"
	"slices"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// Close implements [transport.ClientTransport] and [transport.ServerTransport]. It
// unsubscribes from its shards, lets handlers that have started return and their replies
// leave, ends the requests that still wait, and closes the connection unless it was given.
//
// It returns an error if handlers still run long after their contexts have ended. A further
// Close waits for those handlers again. If the network hangs, Close waits for
// nats.FlusherTimeout: 5 s on our own connection, a minute by default on a given one.
func (t *Transport) Close() error {
	err := t.d.FromHandler("Close")
	if err == nil {
		t.closing.Do(t.leave)
		err = t.d.Close()
		t.ending.Do(t.end)
	}
	return err
}

// leave takes back the server's interest in the node.
func (t *Transport) leave() {
	t.mu.Lock()
	t.closed.Store(true) // under the mutex: a subscriber is seen here, or sees it
	subs := slices.Collect(maps.Keys(t.subs))
	t.mu.Unlock()
	t.moves.stop()
	t.ears.shut(&t.ears.node, &t.ears.list)
	t.remove(subs...)
}

// end ends the rest when the handlers have ended.
func (t *Transport) end() {
	t.lose(outcome.Errorf(outcome.ErrTransportClosed, "while the request was on its way").WithOutcome(outcome.MaybeRan))
	t.flusher.Close()
	if t.up.Load() {
		_ = t.flush(context.Background()) // the replies; without a connection they are lost anyway
	}
	t.ears.stopAll()
	t.asker.stop()
	t.clock.Stop()
	close(t.quit)
	t.in <- nil
	t.running.Wait()
	sparse.Flush(t.log)
}
