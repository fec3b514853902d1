// The cluster's configuration: comparing it, or founding a cluster when nobody has a lease

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// maker is a store that can be made anew when it is gone.
type maker interface {
	// Make makes what the records are kept in, or finds that another node has.
	Make(ctx context.Context) error
}

// born is a store that knows when it was made, by its server's clock.
type born interface {
	Born(ctx context.Context) (time.Time, error)
}

// asker is a node that can ask others which shards are owned.
type asker interface {
	// Served asks for a second, or until ctx ends, and returns the epochs that are
	// answered first, by shard; none if no node answers, or knows of any.
	Served(ctx context.Context) []uint64
}

// finder is a node that can find out whether others serve shards.
type finder interface {
	// Serves asks for a second, or until ctx ends, whether a node serves one of the shards
	// that are owned in these epochs, and returns its name; "" if none does.
	Serves(ctx context.Context, epochs []uint64) string
}

// Agree compares the layout with the cluster's, or says what it is. It waits for the
// store, and makes it anew where it is gone for certain. The error is of the layout, or
// ctx's.
// Run does it too, before each incarnation: it is here for nodes that must not
// answer others before.
func (c *Coordinator) Agree(ctx context.Context) error {
	if c.waited { // another has made it, or will: its revisions begin anew
		_ = c.make(ctx) // asked for again below where it is needed
	}
	var gone absence
	said := ""
	for {
		err := c.agreeOnce(ctx)
		certain := gone.certain(err)
		if !certain {
			c.answered(err)
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
			unmade := c.make(ctx)
			if unmade == nil {
				continue
			}
			if unmade == errNoMaker {
				c.answered(err) // which says it
			} else {
				c.answered(fmt.Errorf("%w: %w", err, unmade))
			}
			if text := unmade.Error(); text != said {
				said = text
				c.log.Error("the store of members is gone, and this node cannot make it", slog.Any("error", unmade))
			}
		default:
			c.log.Warn("the store of members does not answer", slog.Any("error", err))
		}
		pause(ctx, time.Second)
	}
}

// errNoMaker is of a store that nodes cannot make.
var errNoMaker = fmt.Errorf("%w: nodes cannot make this store", membership.ErrNoRecords)

func (c *Coordinator) make(ctx context.Context) error {
	m, ok := c.opts.Store.(maker)
	if !ok {
		return errNoMaker
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return m.Make(ctx)
}

func (c *Coordinator) agreeOnce(ctx context.Context) error {
	want := membership.NewConfig(c.opts.Self.Layout)
	e, err := c.config(ctx)
	if err != nil {
		return err
	}
	if e.Rev == 0 {
		return c.found(ctx, want)
	}
	have, err := membership.Decode[membership.Config](e.Value)
	if err != nil {
		return outcome.Errorf(outcome.ErrLayoutMismatch, "the cluster's record is not readable: %v", err)
	}
	if c.adopts {
		layout := sharding.Layout{NumShards: have.NumShards, Seed: have.Seed}
		if err := layout.Validate(); err != nil {
			return outcome.Errorf(outcome.ErrLayoutMismatch, "the cluster's record: %v", err)
		}
		want = membership.NewConfig(layout)
	}
	if err := want.Check(have); err != nil {
		return err
	}
	if c.adopts {
		c.adopts, c.opts.Self.Layout = false, sharding.Layout{NumShards: have.NumShards, Seed: have.Seed}
	}
	c.base, c.waited = have.Base, false
	return c.recall(ctx)
}

func (c *Coordinator) config(ctx context.Context) (membership.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.opts.Store.Read(ctx, membership.ConfigKey)
}

// found writes the configuration of a store that has none. It may be that of a
// cluster whose store was lost, and whose nodes serve until their leases end:
// nobody claims a shard before the configuration is there, so it is written when
// they have. An incarnation that ended as [ownership.Lost] has waited for that.
func (c *Coordinator) found(ctx context.Context, cfg membership.Config) error {
	if !c.waited {
		c.waited = true
		if c.past.Epoch == 0 {
			c.heard = c.ask(ctx)
		}
		if c.past.Epoch > 0 || len(c.heard) > 0 {
			c.waitForLeases(ctx, "the store of members has no configuration", func(membership.Config) bool { return true })
			return membership.ErrConflict // look again
		}
	}
	heard := c.heard
	c.heard = nil
	if err := c.elsewhere(ctx, heard); err != nil {
		return err
	}
	if b, ok := c.opts.Store.(born); ok {
		at, err := b.Born(ctx)
		if err != nil {
			return err
		}
		cfg.Base = uint64(max(0, at.UnixMicro()))
	}
	if c.past.Epoch > 0 {
		cfg.Base = max(cfg.Base, c.past.Epoch+1)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := c.opts.Store.Write(ctx, membership.ConfigKey, 0, membership.Encode(cfg))
	if err == nil {
		return membership.ErrConflict // look again
	}
	return err
}
