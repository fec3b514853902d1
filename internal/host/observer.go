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

// observers is a host's observer, by its optional parts. An observer is an application's code, which may
// panic or end its goroutine. So it runs on a goroutine of its own if others wait for what follows.
type observers struct {
	kind string
	log  *slog.Logger
	all  Observer
	keys KeyObserver
}

func newObservers(kind string, log *slog.Logger, o Observer) observers {
	w := observers{kind: kind, log: log, all: o}
	w.keys, _ = o.(KeyObserver)
	return w
}

const theMetrics = "the metrics"

func (o *observers) activeKeys(delta int) {
	o.apart(func() { o.all.ActiveKeys(o.kind, delta) }) // the key is yet to be spawned, or a supervisor is at it
}

func (o *observers) activated() { o.guarded(o.all != nil, func() { o.all.Activated(o.kind) }) }

func (o *observers) notActivated() {
	o.apart(func() { o.all.ActivationFailed(o.kind) }) // the messages that wait are yet to be answered
}

func (o *observers) passivated() { o.guarded(o.all != nil, func() { o.all.Passivated(o.kind) }) }

func (o *observers) refused() {
	o.apart(func() { o.all.MailboxRefused(o.kind) }) // the message is yet to be answered
}

func (o *observers) returned() {
	o.apart(func() { o.all.KeyReturned(o.kind) })
}

func (o *observers) keyBegins(shard uint32, key string) {
	o.guarded(o.keys != nil, func() { o.keys.KeyBegins(o.kind, shard, key) })
}

func (o *observers) keyEnded(shard uint32, key string) {
	o.guarded(o.keys != nil, func() { o.keys.KeyEnded(o.kind, shard, key) })
}

func (o *observers) apart(tell func()) {
	if o.all != nil {
		sparse.Apart(o.log, theMetrics, tell)
	}
}

// guarded is for the last thing that a turn does: tell may end the goroutine.
func (o *observers) guarded(watches bool, tell func()) {
	if watches {
		defer sparse.Recover(o.log, theMetrics)
		tell()
	}
}
