// Observers of a host: what it counts and tells

package host

import (
	"log/slog"

	"github.com/clstr-go/clstr/internal/sparse"
)

// Observer counts what happens in a host. Its methods must not block.
type Observer interface {
	Activated(kind string)
	ActivationFailed(kind string)
	Passivated(kind string)
	MailboxRefused(kind string)
	ActiveKeys(kind string, delta int)
	// KeyReturned is called when a key gets an actor that was passivated to make
	// room, as one of the last so many: as many as the host's CacheSize, at least 128
	// and at most 65,536.
	KeyReturned(kind string)
}

// KeyObserver may be implemented by an [Observer] that also wants to know which
// keys live. Its methods must not block.
type KeyObserver interface {
	// KeyBegins is called before an incarnation of a key is made, and KeyEnded
	// when it has ended, its stop hook included, or could not be made.
	KeyBegins(kind string, shard uint32, key string)
	KeyEnded(kind string, shard uint32, key string)
}

// watch is a host's observer, by its optional parts. An observer is an application's code, which may
// panic or end its goroutine. So it runs on a goroutine of its own if others wait for what follows.
type watch struct {
	kind string
	log  *slog.Logger
	all  Observer
	keys KeyObserver
}

func newWatch(kind string, log *slog.Logger, o Observer) watch {
	w := watch{kind: kind, log: log, all: o}
	w.keys, _ = o.(KeyObserver)
	return w
}

const theMetrics = "the metrics"

func (w *watch) activeKeys(delta int) {
	w.apart(func() { w.all.ActiveKeys(w.kind, delta) }) // the key is yet to be spawned, or a supervisor is at it
}

func (w *watch) activated() { w.guarded(w.all != nil, func() { w.all.Activated(w.kind) }) }

func (w *watch) notActivated() {
	w.apart(func() { w.all.ActivationFailed(w.kind) }) // the messages that wait are yet to be answered
}

func (w *watch) passivated() { w.guarded(w.all != nil, func() { w.all.Passivated(w.kind) }) }

func (w *watch) refused() {
	w.apart(func() { w.all.MailboxRefused(w.kind) }) // the message is yet to be answered
}

func (w *watch) returned() {
	w.apart(func() { w.all.KeyReturned(w.kind) })
}

func (w *watch) keyBegins(shard uint32, key string) {
	w.guarded(w.keys != nil, func() { w.keys.KeyBegins(w.kind, shard, key) })
}

func (w *watch) keyEnded(shard uint32, key string) {
	w.guarded(w.keys != nil, func() { w.keys.KeyEnded(w.kind, shard, key) })
}

func (w *watch) apart(tell func()) {
	if w.all != nil {
		sparse.Apart(w.log, theMetrics, tell)
	}
}

// guarded is for the last thing that a turn does: tell may end the goroutine.
func (w *watch) guarded(watches bool, tell func()) {
	if watches {
		defer sparse.Recover(w.log, theMetrics)
		tell()
	}
}
