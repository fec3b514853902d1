// What other nodes own that the store does not know; waiting for leases of an earlier store

package coordinator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// recall asks the other nodes, once in the life of a process, in which epochs they know
// shards to be owned. The store must know those epochs too. One that does not was
// restored from a backup: it calls shards free that their owners may still serve. Then
// recall waits until the owners' leases have ended, and the node claims nothing before the
// base of epochs is above all that it has heard of.
//
// A process that has been in the store before needs no others: it remembers.
func (c *Coordinator) recall(ctx context.Context) error {
	heard := c.ask(ctx)
	if len(heard) == 0 || c.past.Epoch > 0 {
		return ctx.Err()
	}
	var since time.Time
	for ctx.Err() == nil {
		knows, err := c.knows(ctx, heard)
		switch {
		case err != nil: // it does not answer
		case knows:
			return nil
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= absentFor:
			highest := slices.Max(heard)
			c.past = membership.Past{Base: c.base, Epoch: highest, Lost: true}
			return c.waitForLeases(ctx, "the store of members does not know the epochs in which other nodes own shards: it was restored from a backup", func(cfg membership.Config) bool {
				return cfg.Base > highest // by one that has waited
			})
		}
		pause(ctx, lookAgain)
	}
	return ctx.Err()
}

// ask returns the epochs of shards that other nodes know of, the first time.
func (c *Coordinator) ask(ctx context.Context) []uint64 {
	a, ok := c.opts.Node.(asker)
	if !ok || c.asked {
		return nil
	}
	epochs := a.Served(ctx)
	c.asked = ctx.Err() == nil
	epochs = epochs[:min(len(epochs), int(c.opts.Self.Layout.NumShards))]
	if !slices.ContainsFunc(epochs, func(epoch uint64) bool { return epoch > 0 }) || slices.Max(epochs) >= membership.MaxEpoch/2 {
		return nil // none is owned, or this is no answer of a node
	}
	return epochs
}

// knows reports whether the store's records are at least in the epochs that were heard
// of. A snapshot may be old, so its word is asked for again where it is not.
func (c *Coordinator) knows(ctx context.Context, heard []uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entries, _, err := c.opts.Store.Snapshot(ctx, membership.ShardPrefix)
	if err != nil {
		return false, err
	}
	there := map[string]membership.Entry{}
	for _, e := range entries {
		there[e.Key] = e
	}
	for shard, epoch := range heard {
		key := membership.ShardKey(uint32(shard))
		if reaches(there[key], epoch) {
			continue
		}
		e, err := c.opts.Store.Read(ctx, key)
		if err != nil {
			return false, err
		}
		if !reaches(e, epoch) {
			return false, nil
		}
	}
	return true, nil
}

// reaches reports whether a record is in an epoch or a later one. What no node has
// written says nothing: its owner writes it anew.
func reaches(e membership.Entry, epoch uint64) bool {
	rec, err := membership.DecodeShard(e)
	return epoch == 0 || e.Value != nil && err != nil || rec.Epoch >= epoch
}

// waitForLeases waits until no node has a lease of an earlier store, or the
// configuration says that nobody need wait.
func (c *Coordinator) waitForLeases(ctx context.Context, why string, over func(membership.Config) bool) error {
	wait := c.longestWait()
	c.log.Warn("other nodes may own shards by an earlier store: this node waits until their leases have ended", slog.String("why", why), slog.Duration("wait", wait))
	for until := time.Now().Add(wait); ctx.Err() == nil && time.Now().Before(until); {
		if e, err := c.config(ctx); err == nil && e.Rev > 0 {
			if cfg, err := membership.Decode[membership.Config](e.Value); err != nil || over(cfg) {
				break
			}
		}
		pause(ctx, min(time.Second, time.Until(until)))
	}
	return membership.ErrConflict // look again
}

// longestWait is after how long no node of a lost store has a lease any more, as
// far as their leases are those of a preset or this node's own.
func (c *Coordinator) longestWait() time.Duration {
	own := c.opts.Self.Timing
	return max(own.Lease+own.Delta, membership.CalmTiming.Lease+membership.CalmTiming.Delta)
}

// elsewhere returns [membership.ErrOtherStore] if a node serves a shard although every
// lease of an earlier store has ended since the shard was heard of, and nobody has written
// the configuration of this one: that node has its lease in another store.
func (c *Coordinator) elsewhere(ctx context.Context) error {
	heard := c.heard
	c.heard = nil
	f, ok := c.opts.Node.(finder)
	if !ok || len(heard) == 0 {
		return nil
	}
	if by := f.Serves(ctx, heard); by != "" {
		return fmt.Errorf("%w: node %s was given a store without records, while node %s serves shards under the same subjects: give both nodes the same natsstore.Options.Prefix, or another natstransport.Options.Prefix to one of them",
			membership.ErrOtherStore, c.opts.Self.Name, by)
	}
	return ctx.Err()
}
