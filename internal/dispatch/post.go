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
	// Sends reports whether the backend is that of a transport itself, and not of one around it, whose
	// Request may do more.
	Sends(of transport.ClientTransport) bool
	// Number returns a number for a notification, higher than those before. It returns 0 if none can come
	// behind another that is still to be told. It must not block.
	Number() uint64
	// Post sends a notification that is to be accepted, as Request does, and does not wait. If open
	// is false, err is the outcome. Otherwise to.Told is called once with it, nil if the notification was
	// accepted: at the moment until at the latest, and perhaps before Post has returned. ctx is for
	// handing the notification over. One that finds no owner is refused, and not sent
	// elsewhere as Request would.
	Post(ctx context.Context, env *transport.Envelope, o Order, until time.Time, to Told) (open bool, err error)
}

// Order says behind which other a notification is to come.
type Order struct {
	Number uint64 // its own
	// After is the number of another to the same key. If the node that gets the notification has not accepted that
	// one, it refuses it ([outcome.ErrOutOfOrder], NotStarted). 0 is none.
	After uint64
}

// Told hears what has become of a notification.
type Told interface{ Told(err error) }
