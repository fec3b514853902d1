// What tools read: all shards at once, and the fences

package natsstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// scanBytes bounds a page of a scan, so that it comes in time over a slow network too.
const scanBytes = 2 << 20

// Scan reads a range as it was a moment ago, in all shards: the range's Shard means nothing, and a Kind
// may stand without a Key. A page also ends after some megabytes. A key that changes between two pages
// may come in both. It is for tools, which need not know how keys map to shards.
func (r *reads) Scan(ctx context.Context, in state.Range) (es []state.Entry, more bool, err error) {
	switch {
	case in.Place >= state.Places || in.Place == state.Inbox:
		return nil, false, fmt.Errorf("%w: a scan of place %v", state.ErrInvalid, in.Place)
	case in.Kind == "" && in.Key != "":
		return nil, false, fmt.Errorf("%w: a scan for a key without a kind", state.ErrInvalid)
	case r.client:
		return nil, false, errClient
	}
	subject := r.data + letters[in.Place] + "."
	switch {
	case in.Key != "":
		subject += "*." + token(in.Kind) + "." + token(in.Key)
	case in.Kind != "":
		subject += "*." + token(in.Kind) + ".*"
	default:
		subject += ">"
	}
	err = patiently(ctx, func() error {
		es, more, err = r.list(ctx, in, subject, scanBytes)
		return err
	})
	return es, more, err
}

// patiently asks until ctx ends, while no server answers for a stream: it may just have another leader. Nodes do
// not need that, because their keeper asks again.
func patiently(ctx context.Context, ask func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := ask()
		if !errors.Is(err, outcome.ErrDisconnected) && !errors.Is(err, errCut) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// Fence returns what is kept of the cluster, and of the owner that has opened a shard last, as it was
// a moment ago. Both are zero where there is nothing yet.
func (f *fences) Fence(ctx context.Context, shard uint32) (sign state.Signature, fence state.Fence, err error) {
	if f.client {
		return sign, fence, errClient
	}
	var msgs []*nats.Msg
	err = patiently(ctx, func() error {
		msgs, _, err = multi(ctx, f.mux, f.stateStream, []string{f.signature(), f.fence(shard)})
		return err
	})
	for _, m := range msgs {
		into := any(&fence)
		subject := said(m.Header, hdrSubject)
		if subject == f.signature() {
			into = &sign
		}
		if bad := json.Unmarshal(m.Data, into); bad != nil && err == nil {
			err = fmt.Errorf("%w: %s: %v", state.ErrUnreadable, subject, bad)
		}
	}
	return sign, fence, err
}

// LookPermissions returns what the user of a tool needs that reads state and changes none, as
// clstr state list does. Its store has the option Existing. What NodePermissions says of inboxes
// holds for it too.
func LookPermissions(prefix string) Permissions {
	n := namesOf(prefix)
	return Permissions{
		Publish:   []string{apiInfo + n.stateStream, apiInfo + n.inboxStream, apiDirect + n.stateStream},
		Subscribe: []string{n.answers + ".>"},
	}
}
