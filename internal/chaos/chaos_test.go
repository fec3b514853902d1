package chaos

import (
	"testing"
	"time"
)

var nemeses = []nemesis{
	{name: "SIGKILL", death: true, do: func(w *world) { w.nodes[1].kill() }, undo: func(w *world) { w.restart(1) }},
	{name: "SIGKILL, started again", do: func(w *world) { w.nodes[1].kill(); w.restart(1); w.inherited(1) }},
	{name: "SIGSTOP, SIGCONT", death: true, do: func(w *world) { w.nodes[2].still(true) }, undo: func(w *world) { w.nodes[2].still(false) }},
	{name: "network cut", death: true, do: func(w *world) { w.cut(3, true) }, undo: func(w *world) { w.cut(3, false) }},
	{name: "calls cut", death: true, deaf: true, do: func(w *world) { w.proxies[3].setCut(true) }, undo: func(w *world) { w.proxies[3].setCut(false) }},
	{name: "calls swallowed", death: true, deaf: true, do: func(w *world) { w.proxies[3].forget() }},
	{name: "right taken away", death: true, deaf: true, do: func(w *world) { w.servers[0].tell(deafen + " " + w.nodes[3].name) },
		undo: func(w *world) { w.servers[0].tell(deafen); w.comesAgain(3) }},
	{name: "flood", keepsLeases: true, do: (*world).flood},
	{name: "starved for 5 s", keepsLongLeases: true, do: func(w *world) { w.during(w.nodes[2].still) }},
	{name: "rolling restart", planned: true, do: rollingRestart},
	{name: "NATS restart", do: func(w *world) { w.bounce(0) }},
	{name: "R3: leader killed", servers: 3, do: func(w *world) { w.bounce(w.led(members)) }},
	{name: "R3: rolling restart", servers: 3, far: 50 * time.Millisecond, callers: 32, planned: true, do: rollingRestart},
	{name: "R3: lame ducks", servers: 3, replaced: true, do: func(w *world) {
		for i := range w.servers {
			w.replace(i)
		}
	}},
}

func rollingRestart(w *world) {
	for i := range w.nodes {
		w.nodes[i].stop()
		w.restart(i)
	}
}

func TestChaos(t *testing.T) {
	verdicts := unleash(t, nemeses, func(t *testing.T, n nemesis) *verdict {
		w, history, recovered := n.strike(t, nodeRole, count)
		v := check(t, n.name, history, w.dir)
		v.judge(t, n, recovered)
		return v
	})
	t.Logf("\n%s", table(verdicts))
}
