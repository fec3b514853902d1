// Notifications whose sender goes on before they are accepted

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// Poster is implemented by backends whose transport can send a notification without waiting for its
// acceptance.
type Poster interface {
	Sender
	// Number returns a number for a notification, higher than all before. It returns 0 if the transport cannot send
	// several notifications to one key one behind the other. It must not block.
	Number() uint64
	// Post sends a notification that has passed Validate and awaits its acceptance, as Request does, but does not wait for
	// it. If open is false, err is the outcome. Otherwise to.Told is called once with the outcome, nil if the notification
	// was accepted: by the moment until, and perhaps before Post has returned. ctx bounds only handing the notification
	// over. A notification that finds no owner is refused. Request would send it elsewhere.
	Post(ctx context.Context, env *transport.Envelope, o Order, until time.Time, to Told) (open bool, err error)
}

// Sender is implemented by backends that clients may use in place of their transport's Request.
type Sender interface {
	// Sends reports whether this is the backend of the transport itself. A transport around it may have a Request that
	// does more.
	Sends(of transport.ClientTransport) bool
}

// Order says behind which other a notification is to come.
type Order struct {
	Number uint64 // its own
	// After is the number of an earlier notification to the same key; 0 is none. A node that has not accepted the earlier
	// one refuses this one ([outcome.ErrOutOfOrder], NotStarted).
	After uint64
}

// Told hears what has become of a notification.
type Told interface{ Told(err error) }

// Gathered is a Told that may be told together with others. By returns what hears of them.
type Gathered interface {
	Told
	By() Gatherer
}

// Gatherer hears that notifications were accepted. Accepted is Told(nil) for each of them, and must not keep all.
type Gatherer interface{ Accepted(all []Told) }
