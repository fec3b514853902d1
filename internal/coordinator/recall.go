// Shards that other nodes own and the store does not know; waiting for leases of an earlier store

package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// recall asks the other nodes, once in the life of a process, in which epochs they know
// shards to be owned. A good store knows those epochs too, and the base of its epochs is
// not above all of them. Otherwise the store was restored from a backup,
// and calls shards free that their owners may still serve. Or it is not the store of
// the owners. So recall waits until the leases have ended that a restored store
// has forgotten. Owners that serve even then have another store. If there are none,
// the node claims nothing before the base of epochs is above all epochs that it has heard of.
//
// A process that has been in the store before needs no others: it remembers.
func (a *agreement) recall(ctx context.Context) error {
	heard := a.ask(ctx)
	if len(heard) == 0 || a.past.Epoch > 0 {
		return ctx.Err()
	}
	var since time.Time
	for ctx.Err() == nil {
		knows, err := a.knows(ctx, heard)
		switch {
		case err != nil: // it does not answer
		case knows && slices.Max(heard) >= a.base:
			return nil
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= absentFor:
			return a.outlast(ctx, heard, knows)
		}
		pause(ctx, lookAgain)
		heard = a.hear(ctx, heard) // another node may know more
	}
	return ctx.Err()
}

// outlast waits until the owners of these epochs have no lease from a store that was lost.
func (a *agreement) outlast(ctx context.Context, heard []uint64, known bool) error {
	highest := max(slices.Max(heard), a.base)
	why := "the store of members has later epochs than those in which other nodes own shards: it is another store, or the one before was lost"
	if !known {
		why = "the store of members does not know the epochs in which other nodes own shards: it was restored from a backup, or is another store"
		a.past = ownership.Past{Base: a.base, Epoch: highest, Lost: true}
	}
	if a.waitForLeases(ctx, why, func(cfg record.Config) bool { return cfg.Base > highest }) { // by one that has waited
		return membership.ErrConflict // look again
	}
	heard = a.hear(ctx, heard)
	for ctx.Err() == nil {
		switch knows, err := a.knows(ctx, heard); {
		case err != nil: // it does not answer
		case knows && slices.Max(heard) >= a.base: // others have joined this store meanwhile
			return membership.ErrConflict
		default:
			return cmp.Or(a.elsewhere(ctx, heard), membership.ErrConflict)
		}
		pause(ctx, lookAgain)
	}
	return ctx.Err()
}

// ask returns the epochs of shards that other nodes know of, the first time.
func (a *agreement) ask(ctx context.Context) []uint64 {
	if a.asked {
		return nil
	}
	heard := a.hear(ctx, nil)
	a.asked = ctx.Err() == nil
	return heard
}

// hear asks again, and adds what other nodes know of to what was heard before.
func (a *agreement) hear(ctx context.Context, before []uint64) []uint64 {
	epochs := slices.Clone(a.node.Served(ctx))
	epochs = epochs[:min(len(epochs), int(a.self.Layout.NumShards))]
	if !slices.ContainsFunc(epochs, func(epoch uint64) bool { return epoch > 0 }) || slices.Max(epochs) >= record.MaxEpoch/2 {
		return before // none is owned, or this is no answer of a node
	}
	epochs = append(epochs, make([]uint64, max(0, len(before)-len(epochs)))...)
	for shard, epoch := range before {
		epochs[shard] = max(epochs[shard], epoch)
	}
	return epochs
}

// knows reports whether the store's records have the epochs that were heard
// of, or later ones. A snapshot may be old, so knows reads each record that seems to be behind.
func (a *agreement) knows(ctx context.Context, heard []uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := a.store.snapshot(ctx, record.ShardPrefix)
	if err != nil {
		return false, err
	}
	there := map[string]membership.Entry{}
	for _, e := range s.entries {
		there[e.Key] = e
	}
	for shard, epoch := range heard {
		key := record.ShardKey(uint32(shard))
		if reaches(there[key], epoch) {
			continue
		}
		e, err := a.store.read(ctx, key)
		if err != nil {
			return false, err
		}
		if !reaches(e, epoch) {
			return false, nil
		}
	}
	return true, nil
}

// reaches reports whether a record has an epoch or a later one. A record that no node has
// written counts as reached, because its owner writes it anew.
func reaches(e membership.Entry, epoch uint64) bool {
	rec, err := record.DecodeShard(e)
	return epoch == 0 || e.Value != nil && err != nil || rec.Epoch >= epoch
}

// waitForLeases waits until no node has a lease of an earlier store. It returns true if
// the configuration says before then that no node need wait.
func (a *agreement) waitForLeases(ctx context.Context, why string, over func(record.Config) bool) bool {
	wait, warned := a.longestWait(), false
	for until := time.Now().Add(wait); ctx.Err() == nil && time.Now().Before(until); {
		if e, err := a.config(ctx); err == nil && e.Rev > 0 {
			if cfg, err := record.Decode[record.Config](e.Value); err != nil || over(cfg) {
				return true
			}
		}
		if !warned { // another may have founded the cluster while this node asked what others own
			warned = true
			a.log.Warn("other nodes may own shards by an earlier store: this node waits until their leases have ended", slog.String("why", why), slog.Duration("wait", wait))
		}
		pause(ctx, min(time.Second, time.Until(until)))
	}
	return false
}

// longestWait is the time after which no node of a lost store has a lease any more, if their
// leases are as long as those of the presets or as this node's own.
func (a *agreement) longestWait() time.Duration {
	own := a.self.Timing
	return max(own.Lease+own.Delta, membership.CalmTiming.Lease+membership.CalmTiming.Delta)
}

// elsewhere returns [membership.ErrOtherStore] if a node serves a shard although every
// lease of an earlier store has ended since the shard was heard of, and this store does not
// know of it: that node has its lease in another store.
func (a *agreement) elsewhere(ctx context.Context, heard []uint64) error {
	if len(heard) == 0 {
		return nil
	}
	if by := a.node.Serves(ctx, heard); by != "" {
		return fmt.Errorf("%w: node %s serves shards under the same subjects as node %s, and is not in the store of that node: give both nodes the same natsstore.Options.Prefix, or give one of them another natstransport.Options.Prefix",
			membership.ErrOtherStore, by, a.self.Name)
	}
	return ctx.Err()
}
