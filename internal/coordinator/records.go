// Records in the store that were overwritten: one line each, and Health

package coordinator

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
)

// records has the faults that an incarnation finds in the store: records that no node of its
// cluster has written.
type records struct {
	spoiled map[record.Ref]string // members, and what has become of the record
	layout  error                 // the configuration's is another
	amiss   atomic.Pointer[error] // for Health
}

// spoil notes that the record of a member is spoiled, or is in order again.
func (r *records) spoil(log *slog.Logger, self record.Ref, e ownership.Spoiled) {
	if e.Mended {
		delete(r.spoiled, e.Member)
	} else {
		if r.spoiled == nil {
			r.spoiled = map[record.Ref]string{}
		}
		r.spoiled[e.Member] = "overwritten and is not readable"
		if e.Removed {
			r.spoiled[e.Member] = "removed although it has not left"
		}
	}
	member, found := slog.String("member", e.Member.String()), slog.String("record", r.spoiled[e.Member])
	switch {
	case e.Mended:
		log.Info("a member's record that was removed or not readable is in order again", member)
	case e.Member == self:
		log.Error("this node's own record was overwritten or removed by hand: the node stops serving, marks itself as dead, and joins again", found)
	default:
		log.Error("a member's record was overwritten or removed by hand: unless that changes, the member counts as dead once its lease must have ended", member, found)
	}
	r.findAmiss()
}

// overwritten notes that the configuration has another layout, or the right one again.
func (r *records) overwritten(log *slog.Logger, err error) {
	if r.layout = err; err != nil {
		log.Error("the cluster's configuration was overwritten with that of another layout: nodes that start are refused until a node that serves has written it again", slog.Any("error", err))
	}
	r.findAmiss()
}

// findAmiss notes one fault of each kind for Health.
func (r *records) findAmiss() {
	r.amiss.Store(nil)
	if r.layout != nil {
		err := fmt.Errorf("the cluster's configuration was overwritten: %w", r.layout)
		r.amiss.Store(&err)
		return
	}
	for ref, found := range r.spoiled {
		err := fmt.Errorf("the record of member %v was %s", ref, found)
		if more := len(r.spoiled) - 1; more > 0 {
			err = fmt.Errorf("%w; %d more records are not in order", err, more)
		}
		r.amiss.Store(&err)
		break
	}
}
