// The cluster's configuration: comparing it, or founding a cluster when no node has a lease

package coordinator

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// agreement is what a node knows of the cluster that it joins before it joins: the
// layout, and whether others may own shards by a store that was lost.
type agreement struct {
	self    *ownership.Self // its layout and identity are the cluster's once they are known
	store   members
	node    Node
	log     *slog.Logger
	answers *answers

	cluster atomic.Pointer[string] // self's, for others to read

	past ownership.Past // of the incarnations before
	base uint64         // of the cluster's configuration

	adopts bool     // the layout is the cluster's; until it is known
	waited bool     // no node has a lease of an earlier store; until a configuration is found
	asked  bool     // the other nodes, for what they own
	heard  []uint64 // what they own, where the store has no configuration
}

// reach compares the layout with the cluster's, or adopts it. It waits for the
// store, and makes the store anew if it is certainly gone. The error is about the layout, or is
// ctx's.
func (a *agreement) reach(ctx context.Context) error {
	if a.waited { // another has made it, or will: its revisions begin anew
		_ = a.make(ctx) // asked for again below where it is needed
	}
	var gone absence
	said := ""
	for {
		err := a.agreeOnce(ctx)
		certain := gone.certain(err)
		if !certain {
			a.answers.took(err)
		}
		switch {
		case err == nil || errors.Is(err, outcome.ErrLayoutMismatch) || errors.Is(err, membership.ErrOtherStore):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, membership.ErrConflict):
			continue // another was first: read what it has written
		case errors.Is(err, membership.ErrNoRecords) && !certain:
			pause(ctx, lookAgain)
			continue
		case certain:
			unmade := a.make(ctx)
			if unmade == nil {
				continue
			}
			if unmade == errNoMaker {
				a.answers.took(err) // which says it
			} else {
				a.answers.took(fmt.Errorf("%w: %w", err, unmade))
			}
			if text := unmade.Error(); text != said {
				said = text
				a.log.Error("the store of members is gone, and this node cannot make it", slog.Any("error", unmade))
			}
		default:
			a.log.Warn("the store of members does not answer", slog.Any("error", err))
		}
		pause(ctx, time.Second)
	}
}

func (a *agreement) make(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return a.store.make(ctx)
}

func (a *agreement) agreeOnce(ctx context.Context) error {
	want := record.NewConfig(a.self.Layout)
	passes := a.store.passes()
	e, err := a.config(ctx)
	if err != nil {
		return err
	}
	if e.Rev == 0 {
		if want.Cluster = a.self.Cluster; want.Cluster == "" && !passes { // it remembers that of a store that was lost
			want.Cluster = rand.Text()
		}
		return a.found(ctx, want)
	}
	have, err := record.Decode[record.Config](e.Value)
	if err != nil {
		return outcome.Errorf(outcome.ErrLayoutMismatch, "the cluster's record is not readable: %v", err)
	}
	if a.adopts {
		layout := sharding.Layout{NumShards: have.NumShards, Seed: have.Seed}
		if err := layout.Validate(); err != nil {
			return outcome.Errorf(outcome.ErrLayoutMismatch, "the cluster's record: %v", err)
		}
		want = record.NewConfig(layout)
	}
	if err := want.Check(have); err != nil {
		return err
	}
	if a.adopts {
		a.adopts, a.self.Layout = false, sharding.Layout{NumShards: have.NumShards, Seed: have.Seed}
	}
	if have.Cluster == "" && !passes { // founded before clusters had an identity
		have.Cluster = cmp.Or(a.self.Cluster, rand.Text())
		return a.write(ctx, e.Rev, have)
	}
	a.base, a.self.Cluster, a.waited = have.Base, have.Cluster, false
	a.cluster.Store(&have.Cluster)
	return a.recall(ctx)
}

func (a *agreement) config(ctx context.Context) (membership.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return a.store.read(ctx, record.ConfigKey)
}

// found writes the configuration of a store that has none. The store may belong to a
// cluster that has lost its earlier store, and its nodes serve until their leases end.
// No node claims a shard before the configuration is there, so it is written only when those
// leases have ended. An incarnation that ended as [ownership.Lost] has waited for that.
func (a *agreement) found(ctx context.Context, cfg record.Config) error {
	if !a.waited {
		a.waited = true
		if a.past.Epoch == 0 {
			a.heard = a.ask(ctx)
		}
		if a.past.Epoch > 0 || len(a.heard) > 0 {
			a.waitForLeases(ctx, "the store of members has no configuration", func(record.Config) bool { return true })
			return membership.ErrConflict // look again
		}
	}
	heard := a.heard
	a.heard = nil
	if err := a.elsewhere(ctx, heard); err != nil {
		return err
	}
	if len(heard) > 0 && a.self.Cluster == "" {
		// Its nodes remember the identity under which their state is stored: let them found it.
		if err := a.node.Admits(ctx, cfg.Cluster, a.self.Layout); err != nil {
			return err
		}
	}
	at, err := a.store.born(ctx)
	if err != nil {
		return err
	}
	cfg.Base = uint64(max(0, at.UnixMicro()))
	if a.past.Epoch > 0 {
		cfg.Base = max(cfg.Base, a.past.Epoch+1)
	}
	return a.write(ctx, 0, cfg)
}

// write replaces the configuration of a revision, and lets the node look again.
func (a *agreement) write(ctx context.Context, rev uint64, cfg record.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := a.store.write(ctx, record.ConfigKey, rev, record.Encode(cfg))
	return cmp.Or(err, membership.ErrConflict)
}
