// What a store of state holds: one record, or all of them in pages

// Package stored reads and changes the records of a store of state, from outside of all nodes.
package stored

import (
	"context"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/state"
)

// Store is what the package needs of a store, beyond the seam. natsstate's has it.
type Store interface {
	state.Store
	Scan(ctx context.Context, r state.Range) (es []state.Entry, more bool, err error)
	Fence(ctx context.Context, shard uint32) (state.Signature, state.Fence, error)
}

// Find returns the record of a key, whichever shard it is in. It is nil if there is none.
func Find(ctx context.Context, s Store, kind, key string) (*state.Entry, error) {
	es, _, err := s.Scan(ctx, state.Range{Kind: kind, Key: key})
	if err != nil || len(es) == 0 {
		return nil, err
	}
	newest := &es[len(es)-1] // a record that something else wrote may be there beside it
	for _, e := range es {
		if e.Shard != newest.Shard {
			return nil, fmt.Errorf("%w: the key has records in shards %d and %d, and belongs to one of them", state.ErrUnreadable, e.Shard, newest.Shard)
		}
	}
	return newest, nil
}

// Each calls f with each entry of a range in all shards, a page after the other, until f returns
// false. A page may take as long as atMost. It returns the last revision that f has seen.
func Each(ctx context.Context, s Store, r state.Range, atMost time.Duration, f func(state.Entry) bool) (last state.Rev, err error) {
	for more := true; more; {
		var es []state.Entry
		page, cancel := context.WithTimeout(ctx, atMost)
		es, more, err = s.Scan(page, r)
		cancel()
		if err != nil {
			return r.After, err
		}
		for _, e := range es {
			if !f(e) {
				return r.After, nil
			}
			r.After = e.Rev
		}
	}
	return r.After, nil
}

// Bad is something that is stored and cannot be read.
type Bad struct {
	Entry state.Entry
	Why   string
}

// Check reads what is stored of a kind, or of all kinds, and calls f with what cannot be read: the
// library's part of anything, the state of a record, and what lies in a shard where its key does not
// belong. It returns how many records there are.
func Check(ctx context.Context, s Store, kind string, atMost time.Duration, f func(Bad)) (records int, err error) {
	sign, _, err := s.Fence(ctx, 0)
	if err != nil {
		return 0, err
	}
	layout, known := Layout(sign)
	for p := range state.Places {
		if p == state.Inbox { // clients write there what they like
			continue
		}
		_, err := Each(ctx, s, state.Range{Place: p, Kind: kind}, atMost, func(e state.Entry) bool {
			if p == state.Records {
				records++
			}
			switch {
			case e.Err != nil:
				f(Bad{e, e.Err.Error()})
			case known && layout.Shard(e.Key) != e.Shard:
				f(Bad{e, fmt.Sprintf("it is in shard %d, and the key belongs to shard %d of %d", e.Shard, layout.Shard(e.Key), layout.NumShards)})
			case e.Record != nil:
				if err := Body(e.Record); err != nil {
					f(Bad{e, err.Error()})
				}
			default:
				if err := command.Check(e.Commands); err != nil {
					f(Bad{e, err.Error()})
				}
			}
			return true
		})
		if err != nil {
			return records, err
		}
	}
	return records, nil
}
