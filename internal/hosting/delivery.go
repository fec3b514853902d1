// Calls as actors know them

package hosting

import (
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/plain"
)

// delivery is a call as actors know it: without its envelope.
type delivery struct{ *dispatch.Call }

var _ host.Call = delivery{}

// Message implements [host.Call].
func (d delivery) Message() host.Message {
	env := d.Envelope()
	return host.Message{Type: env.Type, Key: env.Key, Headers: env.Headers, ID: env.ID, Codec: env.Codec}
}

// ReplyValue implements [host.Call].
func (d delivery) ReplyValue(v plain.Value) { dispatch.ReplyValue(d.Call, v) }

// Spent implements [host.Call].
func (d delivery) Spent() host.Past {
	if s := dispatch.Spent(d.Call); s != nil {
		return past{s}
	}
	return nil
}

// EndLast implements [host.Call].
func (d delivery) EndLast() { dispatch.EndLast(d.Call) }

// IsAlone implements [host.Call].
func (d delivery) IsAlone() bool { return dispatch.IsAlone(d.Call) }

// Past implements [host.Call].
func (d delivery) Past() host.Past { return past{dispatch.Past(d.Call)} }

// EndAlone implements [host.Call].
func (d delivery) EndAlone() bool { return dispatch.EndAlone(d.Call) }

// past is the subscription of a call that was used again.
type past struct{ *dispatch.Sub }

// Ended implements [host.Past].
func (p past) Ended() host.Call { return delivery{dispatch.Ended(p.Sub)} }

// Age implements [host.Call].
func (d delivery) Age() time.Duration { return d.Envelope().Age() }

// Wait implements [host.Call].
func (d delivery) Wait(f func()) {
	w := dispatch.BeginWait(d.Call)
	defer w.EndWait(d.Call)
	f()
}
