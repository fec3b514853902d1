// What waits for the core

package coordinator

import (
	"sync"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
)

// inbox has the events that wait for the core. Their number is bounded, because each event ends a
// running operation or task, and only the newest version of each record waits.
type inbox struct {
	signal chan struct{} // cap 1

	mu     sync.Mutex
	events []posted
	hints  map[string]membership.Entry
}

// posted is an event for one incarnation; the others ignore it.
type posted struct {
	of      *incarnation // nil: for all
	event   ownership.Event
	deposed *standing.Standing // in place of an event
}

func (b *inbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

func (b *inbox) post(in *incarnation, e ownership.Event) {
	b.mu.Lock()
	b.events = append(b.events, posted{of: in, event: e})
	b.mu.Unlock()
	b.wake()
}

// depose takes a shard whose state another has opened.
func (b *inbox) depose(at *standing.Standing) {
	b.mu.Lock()
	b.events = append(b.events, posted{deposed: at})
	b.mu.Unlock()
	b.wake()
}

// see takes a hint of the store's.
func (b *inbox) see(e membership.Entry) {
	b.mu.Lock()
	if b.hints == nil {
		b.hints = map[string]membership.Entry{}
	}
	if e.Rev > b.hints[e.Key].Rev {
		b.hints[e.Key] = e
	}
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) take() []posted {
	b.mu.Lock()
	events, hints := b.events, b.hints
	b.events, b.hints = nil, nil
	b.mu.Unlock()
	if len(hints) > 0 {
		seen := ownership.Seen{Entries: make([]membership.Entry, 0, len(hints))}
		for _, e := range hints {
			seen.Entries = append(seen.Entries, e)
		}
		events = append(events, posted{event: seen})
	}
	return events
}

// clear drops hints: a new incarnation looks for itself.
func (b *inbox) clear() {
	b.mu.Lock()
	b.hints = nil
	b.mu.Unlock()
}
