package chaos

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// states is the stream of the entities' states.
const states = "clstr_state"

var durableNemeses = []nemesis{
	{name: "SIGKILL", death: true, do: func(w *world) { w.nodes[1].kill() }, undo: func(w *world) { w.restart(1) }},
	{name: "SIGSTOP, SIGCONT", death: true, do: func(w *world) { w.nodes[2].still(true) }, undo: func(w *world) { w.nodes[2].still(false) }},
	{name: "network cut", death: true, do: func(w *world) { w.cut(3, true) }, undo: func(w *world) { w.cut(3, false) }},
	{name: "store cut", do: func(w *world) { w.during(w.stores[3].setCut) }},
	{name: "calls cut", death: true, do: func(w *world) { w.proxies[3].setCut(true) }, undo: func(w *world) { w.proxies[3].setCut(false) }},
	{name: "rolling restart", planned: true, do: rollingRestart},
	{name: "NATS restart", do: func(w *world) { w.bounce(0) }},
	{name: "store full", do: func(w *world) { w.during(w.setFull) }},
	{name: "R3: leader of the states killed", servers: 3, do: func(w *world) { w.bounce(w.led(states)) }},
	{name: "R3: leader of the states stopped", servers: 3, do: func(w *world) { w.during(w.servers[w.led(states)].still) }},
	{name: "R3: rolling restart", servers: 3, planned: true, do: rollingRestart},
}

// during has something go on for a while, and end.
func (w *world) during(set func(on bool)) {
	set(true)
	<-time.After(5 * time.Second) // of a world of processes, which has no other clock
	set(false)
}

// cut cuts all of a node's connections, or lets new ones through again.
func (w *world) cut(i int, cut bool) {
	w.proxies[i].setCut(cut)
	w.stores[i].setCut(cut)
}

// bounce kills a server, and starts it again.
func (w *world) bounce(i int) {
	w.t.Helper()
	w.servers[i].kill()
	w.startServer(i)
	w.servers[i].awaitReady()
}

func (w *world) restart(i int) {
	w.startNode(i)
	w.nodes[i].awaitReady()
}

// setFull bounds the stream of states by what is in it.
func (w *world) setFull(full bool) {
	w.t.Helper()
	nc, err := nats.Connect(w.url())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := js.Stream(w.t.Context(), states)
	if err != nil {
		w.t.Fatal(err)
	}
	c := s.CachedInfo().Config
	if c.MaxBytes = -1; full {
		c.MaxBytes = int64(s.CachedInfo().State.Bytes)
	}
	if _, err := js.UpdateStream(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

// TestDurableChaos: what was answered is stored, once, whatever happens to nodes, servers and
// the ways between them.
func TestDurableChaos(t *testing.T) {
	verdicts := unleash(t, durableNemeses, func(t *testing.T, n nemesis) *verdict {
		w, history, recovered := n.strike(t, durableRole, countReadWrite)
		v := checkDurable(t, n.name, history, w.stored())
		v.judge(t, n, recovered)
		return v
	})
	t.Logf("\n%s", table(verdicts))
}
