package natsdial

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a connection that goes to another server when it is told to.
type wire struct {
	gate   *Gate
	forced chan struct{}
	stays  bool // away
}

func (w *wire) IsConnected() bool { return true }

func (w *wire) ForceReconnect() error {
	w.forced <- struct{}{}
	if !w.stays {
		w.gate.Back()
	}
	return nil
}

// TestGate: what is under way ends before the connection goes, and what comes meanwhile goes out
// afterwards, in order.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		w := &wire{gate: &g, forced: make(chan struct{}, 1)}
		sent := ""
		send := func(name string) { g.Enter(func() { sent += name }) }
		send("a")
		send("b")
		g.Leave()
		g.Move(w)
		send("c")
		waits := make(chan bool)
		go func() { waits <- g.Wait(t.Context()) }() // ends with the move
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if g.Wait(gone) {
			t.Error("a caller that has gone was let in")
		}
		send("d")
		synctest.Wait()
		if sent != "ab" || len(w.forced) != 0 || !g.Held() {
			t.Errorf("sent %q, %d times moved, while one is under way", sent, len(w.forced))
		}
		g.Leave()
		if !<-waits {
			t.Error("the caller that waited was not let in")
		}
		synctest.Wait()
		if sent != "abcd" || len(w.forced) != 1 || g.Held() || g.under != 3 {
			t.Errorf("sent %q, %d times moved, %d under way", sent, len(w.forced), g.under)
		}
		g.Close()
	})
}

// TestGateMovesAgain: the next server announces its end too, while the connection comes to it.
func TestGateMovesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		w := &wire{gate: &g, forced: make(chan struct{}, 2)}
		g.Enter(func() {})
		g.Move(w)
		g.Move(w)
		g.Leave()
		synctest.Wait()
		if len(w.forced) != 2 || g.Held() {
			t.Errorf("%d times moved", len(w.forced))
		}
		g.Close()
	})
}

// TestGateGivesUp: an answer that does not come, and a server that does not come, hold a gate for
// a moment. Close ends it at once.
func TestGateGivesUp(t *testing.T) {
	for name, took := range map[string]time.Duration{"nothing": 2 * holdTime, "closed": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var g Gate
			w := &wire{gate: &g, forced: make(chan struct{}, 1), stays: true}
			g.Enter(func() {})
			begun := time.Now()
			g.Move(w)
			if name == "closed" {
				<-time.After(time.Second)
				g.Close()
				g.Move(w)
			}
			if g.Wait(t.Context()); time.Since(begun) != took || g.Held() {
				t.Errorf("%s: held for %v, want %v", name, time.Since(begun), took)
			}
			g.Close()
		})
	}
}
