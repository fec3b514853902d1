// Gate: what a store sends waits while its connection goes to another server

package natsdial

import (
	"context"
	"sync"
	"time"
)

// holdTime is how long a gate waits for what is under way, and then for another server.
const holdTime = 2 * time.Second

// Gate knows what is under way over a store's connection. When the server announces its end, the gate holds
// what comes, waits until nothing is under way, and has the connection go to another server. The zero
// value is open.
type Gate struct {
	mu    sync.Mutex
	under int
	held  bool
	quiet chan struct{} // closed when nothing is under way; nil unless that is waited for
	later []*entry      // in order
	back  chan struct{} // cap 1: there is a connection again
	again bool          // the next server has announced its end too

	closed bool
	end    chan struct{} // closed with closed; nil if no move was begun
	moves  sync.WaitGroup
}

// conn is a connection of nats.go.
type conn interface {
	IsConnected() bool
	ForceReconnect() error
}

type entry struct {
	f    func()
	gone bool // its caller
}

// Enter calls f, which sends something: now, or when the gate is open again, in order. Each Enter needs a
// Leave when its answer is there.
func (g *Gate) Enter(f func()) {
	if g.enter(&entry{f: f}) {
		f()
	}
}

// enter returns true if the gate is open.
func (g *Gate) enter(e *entry) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held {
		g.later = append(g.later, e)
		return false
	}
	g.under++
	return true
}

// Wait is Enter for a caller that waits itself. It returns false, and nothing is under way, if ctx
// ends before the gate is open.
func (g *Gate) Wait(ctx context.Context) bool {
	open := make(chan struct{})
	e := &entry{f: func() { close(open) }}
	if g.enter(e) {
		return true
	}
	select {
	case <-open:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-open: // at the same moment
		return true
	default:
		e.gone = true
		return false
	}
}

// Leave ends what Enter has begun.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under--
	g.calm()
}

// calm is called with mu held.
func (g *Gate) calm() {
	if g.under == 0 && g.quiet != nil {
		close(g.quiet)
		g.quiet = nil
	}
}

// Held reports whether the connection is about to go to another server, or on its way.
func (g *Gate) Held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// Back is called when there is a connection again.
func (g *Gate) Back() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held {
		select {
		case g.back <- struct{}{}:
		default:
		}
	}
}

// Move has a connection go to another server, in the background. Called meanwhile, it does so once more.
func (g *Gate) Move(nc conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held || g.closed {
		g.again = g.held
		return
	}
	quiet, back := make(chan struct{}), make(chan struct{}, 1)
	g.held, g.quiet, g.back = true, quiet, back
	if g.end == nil {
		g.end = make(chan struct{})
	}
	g.calm()
	g.moves.Go(func() { // ends after a few seconds, or with Close
		defer g.once(nc)
		if await(quiet, g.end) && nc.IsConnected() {
			_ = nc.ForceReconnect() // it fails on a closed connection only
			await(back, g.end)
		}
	})
}

// once ends a move, and begins another if one was called for.
func (g *Gate) once(nc conn) {
	g.open()
	g.mu.Lock()
	again := g.again
	g.again = false
	g.mu.Unlock()
	if again {
		g.Move(nc)
	}
}

// Close ends a move that is under way, and lets in what waits.
func (g *Gate) Close() {
	g.mu.Lock()
	if !g.closed && g.end != nil {
		close(g.end)
	}
	g.closed = true
	g.mu.Unlock()
	g.moves.Wait()
}

// await returns false if ended was closed first.
func await(c, ended <-chan struct{}) bool {
	timer := time.NewTimer(holdTime)
	defer timer.Stop()
	select {
	case <-c:
	case <-timer.C:
	case <-ended:
		return false
	}
	return true
}

// open lets in what waits, and then what comes.
func (g *Gate) open() {
	for {
		g.mu.Lock()
		g.quiet = nil
		if len(g.later) == 0 {
			g.held = false
			g.mu.Unlock()
			return
		}
		e := g.later[0]
		g.later[0] = nil
		g.later = g.later[1:]
		if e.gone {
			g.mu.Unlock()
			continue
		}
		g.under++
		g.mu.Unlock()
		e.f()
	}
}
