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
	// Post sends a notification that is to be accepted, as Request does, and does not wait. If open
	// is false, err is the outcome. Otherwise to.Told is called once with it, nil if the notification was
	// accepted: at the moment until at the latest, and perhaps before Post has returned. Told must not block. ctx is for handing the notification over. Of
	// several notifications to one shard the first comes first, unless it is refused. A notification that finds no owner
	// is refused, and not sent elsewhere as Request would.
	Post(ctx context.Context, env *transport.Envelope, until time.Time, to Told) (open bool, err error)
}

// Told hears what has become of a notification.
type Told interface{ Told(err error) }
