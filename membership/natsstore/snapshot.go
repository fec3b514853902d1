// Snapshot, block by block

package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// errTooMany: a server answers with at most 1,024 records, including the store's own.
var errTooMany = outcome.Errorf(outcome.ErrTooLarge, "more than 1,023 records, markers of removed ones included")

// ahead is how many blocks are requested before the first has come.
const ahead = 8

// snapshots reads many records at once.
type snapshots struct {
	*stream
	blocks atomic.Int64 // of shards; 0: not known
}

func (s *snapshots) read(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	ctx, done := s.hear(ctx, apiDirect+s.name)
	defer done()
	filters := []string{prefix[:strings.LastIndexByte(prefix, '.')+1] + ">"}
	if prefix == record.ShardPrefix {
		n, err := s.shardBlocks(ctx)
		if err != nil {
			return nil, 0, err
		}
		filters = filters[:0]
		for i := range n {
			filters = append(filters, prefix+strconv.Itoa(i)+".>")
		}
	}
	entries, asOf, err := s.ask(ctx, filters)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, 0, s.unanswered(ctx)
	}
	if err != nil {
		return nil, 0, s.mapped(ctx, err)
	}
	there := entries[:0]
	for _, e := range entries {
		if e.Value != nil && e.Key != ownKey && strings.HasPrefix(e.Key, prefix) {
			there = append(there, e)
		}
	}
	return there, asOf, nil
}

// ask gets the last message of each subject that a filter matches, including markers
// and the store's own record.
func (s *snapshots) ask(ctx context.Context, filters []string) (entries []membership.Entry, asOf uint64, err error) {
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails where the connection has gone
	batches := make(map[string]*batch, len(filters))
	asOf = math.MaxUint64
	for sent, ended := 0, 0; ended < len(filters); {
		for ; sent < min(len(filters), ended+ahead); sent++ {
			reply := inbox + "." + strconv.Itoa(sent)
			batches[reply] = &batch{}
			if err := s.askFor(filters[sent], reply); err != nil {
				return nil, 0, err
			}
		}
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, 0, err
		}
		b := batches[m.Subject]
		switch {
		case b == nil: // not ours to have
		case m.Header.Get(hdrStatus) == "":
			e, err := b.record(s.subjects, m)
			if err != nil {
				return nil, 0, err
			}
			entries = append(entries, e)
		default:
			upTo, err := b.end(m)
			if err != nil {
				return nil, 0, err
			}
			delete(batches, m.Subject)
			asOf = min(asOf, upTo)
			ended++
		}
	}
	return entries, asOf, nil
}

// askFor also asks for the store's own record, because a server that finds no record
// does not say how far it has come.
func (s *snapshots) askFor(filter, reply string) error {
	body, err := json.Marshal(map[string][]string{"multi_last": {s.subjects + ownKey, s.subjects + filter}})
	if err != nil {
		return err
	}
	return s.nc.PublishRequest(apiDirect+s.name, reply, body)
}

// shardBlocks returns the number of blocks of shards. The cluster's configuration says
// it, and never changes. Before there is a configuration, the stream's subjects say it.
func (s *snapshots) shardBlocks(ctx context.Context) (int, error) {
	if n := s.blocks.Load(); n > 0 {
		return int(n), nil
	}
	e, err := s.stored(ctx, record.ConfigKey)
	if err != nil {
		return 0, err
	}
	if cfg, err := record.Decode[record.Config](e.Value); e.Value != nil && err == nil && cfg.NumShards > 0 {
		n := (int64(cfg.NumShards) + record.ShardBlock - 1) / record.ShardBlock
		s.blocks.Store(n)
		return int(n), nil
	}
	return s.namedBlocks(ctx)
}

func (s *snapshots) namedBlocks(ctx context.Context) (int, error) {
	info, err := s.info(ctx, jetstream.WithSubjectFilter(s.subjects+record.ShardPrefix+">"))
	if err != nil {
		return 0, err
	}
	blocks := 1
	for subject := range info.State.Subjects {
		if shard, ok := record.ParseShardKey(strings.TrimPrefix(subject, s.subjects)); ok {
			blocks = max(blocks, int(shard/record.ShardBlock)+1)
		}
	}
	return blocks, nil
}
