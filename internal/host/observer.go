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
	// KeyReturned is called when a key gets an actor again that was passivated to make room. A key is
	// forgotten when more others were since: about sixteen times the host's CacheSize.
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

// apart tells the observer before others get what they wait for: a message its answer, a supervisor
// its next turn.
func (o *observers) apart(what func(o Observer, kind string)) {
	if o.all != nil {
		sparse.Apart(o.log, theMetrics, func() { what(o.all, o.kind) })
	}
}

// last is apart for the last thing that a turn does: what may end the goroutine.
func (o *observers) last(what func(o Observer, kind string)) {
	if o.all != nil {
		defer sparse.Recover(o.log, theMetrics)
		what(o.all, o.kind)
	}
}

func (o *observers) key(what func(o KeyObserver, kind string, shard uint32, key string), c *cell) {
	if o.keys != nil {
		defer sparse.Recover(o.log, theMetrics)
		what(o.keys, o.kind, c.shard.id, c.key)
	}
}
