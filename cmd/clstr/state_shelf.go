// The way to a store of state, and what is missing on it

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

// shelf is how a command reaches what entities have stored.
type shelf struct{ *app }

// openState opens the store of state, which must be there.
func (r shelf) openState(ctx context.Context) (stored.Store, func(), error) {
	c, options, err := r.find()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	s, err := natsstate.Open(ctx, natsstate.Options{URL: c.URL, NATSOptions: options, Prefix: r.prefix, Existing: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, r.stateFailed(err)
	}
	return s, func() { _ = s.Close() }, nil
}

// stateFailed gives an error of a store of state its exit code.
func (r shelf) stateFailed(err error) error {
	switch {
	case errors.Is(err, natsstate.ErrNoStreams), errors.Is(err, natsstate.ErrNoJetStream):
		return &failure{exit: exitNoCluster, code: "no_state", msg: fmt.Sprintf("no stored state under the prefix %q: %v", r.prefix, err),
			hint: "nodes with a store of state make its streams; --prefix names another cluster (the Name of a service of clstr.Open), --server and --context another server"}
	case errors.Is(err, outcome.ErrNotPermitted):
		return &failure{exit: exitNotPermitted, code: "not_permitted", msg: err.Error(),
			hint: fmt.Sprintf("this NATS user may not do that. To look it needs what natsstate.LookPermissions(%q) lists, to import and delete what NodePermissions does (clstr help connection)", r.prefix)}
	case errors.Is(err, stored.ErrChanged), errors.Is(err, state.ErrDeposed):
		return &failure{exit: exitRefused, code: "changed", msg: err.Error() + ": nothing was stored", hint: "look at the record, and try again"}
	case errors.Is(err, stored.ErrNoLayout), errors.Is(err, state.ErrOtherCluster), errors.Is(err, state.ErrOtherLayout),
		errors.Is(err, state.ErrFull), errors.Is(err, state.ErrTooLarge), errors.Is(err, state.ErrInvalid):
		return &failure{exit: exitRefused, code: "refused", msg: err.Error() + ": nothing was stored"}
	case errors.Is(err, keeper.ErrInDoubt):
		return &failure{exit: exitFailure, code: "in_doubt", msg: err.Error(), hint: "clstr state show says whether it is stored"}
	}
	return err
}

// stateStream is the name of the stream, for the nats command.
func (r shelf) stateStream() string { return strings.ReplaceAll(r.prefix, ".", "_") + "_state" }

// ownerOf names the owner of a shard, if the records of a cluster say it.
func (r shelf) ownerOf(ctx context.Context, shard uint32) string {
	seen, err := r.look(ctx)
	if err != nil || int(shard) >= len(seen.Shards) || seen.Shards[shard].Owner.IsZero() {
		return ""
	}
	owner := seen.Shards[shard].Owner
	if n := seen.ByRef(owner); n != nil {
		return fmt.Sprintf(", %s (%s)", shortRef(owner), n.State)
	}
	return ", " + shortRef(owner)
}
