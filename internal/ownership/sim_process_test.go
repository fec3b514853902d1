package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// host is the machine on which a process starts.
func (w *world) host() string { return []string{"h", "i"}[w.rng.IntN(2)] }

// process is what the node's record says of it.
func (n *node) process() record.Process {
	return record.Process{Host: n.host, PID: n.slot, Start: uint64(n.gen)}
}

// examine tells the node of a process that has ended.
func (n *node) examine(core *Core, e Examine) {
	of := n.w.nodes[e.Process.PID]
	if of.up && of.process() == e.Process && !n.w.f.broken.endsAlive {
		return
	}
	n.later(0, func() {
		if core == n.core {
			n.step(Ended{e.Member})
		}
	})
}

func (n *node) kill() {
	n.up, n.paused, n.backlog = false, false, nil
	n.gen++
}

func (n *node) resume() {
	n.paused = false
	backlog := n.backlog
	n.backlog = nil
	for _, f := range backlog {
		f()
	}
}

// deafen lets no request reach the node for a while. It still reaches the store.
func (n *node) deafen() {
	if !n.up || n.paused {
		return
	}
	n.step(Deaf{true})
	pause, gen := n.w.upTo(25*time.Second), n.gen
	n.touched = n.w.now + pause
	n.w.faultEnd = max(n.w.faultEnd, n.touched)
	n.w.after(pause, func() { n.on(gen, func() { n.step(Deaf{false}) }) })
}
