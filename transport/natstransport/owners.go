// What a client knows of owners, and how it follows a shard that has moved

package natstransport

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// maxShards is the largest number of shards in a cluster.
const maxShards = 1 << 20

// follows is how often one request is sent again at once because its shard has a
// new owner.
const follows = 3

// What is known of a cluster's owners.
const (
	unasked int32 = iota
	fixed         // no node listens: lists of shards are fixed, and all epochs 0
	silent        // no node has answered in time: the nodes may be too busy
	living        // nodes come and go
)

// owners is what a connection knows of which node owns which shard. It decides nothing: a
// node serves what it may, and says so.
//
// The known epoch of a shard only grows, because an answer may be older than an announcement.
// But a user with the right to announce may announce an epoch that does not exist. So an epoch in
// which the shard was not served is in doubt, and the next answer of the nodes replaces it.
type owners struct {
	state atomic.Int32

	mu       sync.Mutex
	epochs   []uint64          // by shard, as many as the nodes say that there are
	said     []uint64          // the same, of what nodes have answered only
	doubted  map[uint32]uint64 // by shard: the epoch that is in doubt
	question *asking           // nil while none is open
	answered int64             // moment of the last answer
	count    uint32            // of the shards, by the last answer that said one
	counted  int64             // its moment
	quiet    int64             // no question is sent again before this moment
	barred   int64             // no question is sent at all before this moment
	hints    *nats.Subscription
	hearing  bool
	stopped  bool
}

// epochOf returns the epoch in which the shard is owned, as far as is known.
func (o *owners) epochOf(shard uint32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if int64(shard) < int64(len(o.epochs)) {
		return o.epochs[shard]
	}
	return 0
}

// answeredOf returns the highest epoch of the shard that the nodes have told of.
func (o *owners) answeredOf(shard uint32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if int64(shard) < int64(len(o.said)) {
		return o.said[shard]
	}
	return 0
}

// numShards is how many shards the nodes have said a moment ago that there are; 0 if they
// have not.
func (o *owners) numShards() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if expiry.Now() > o.counted+int64(askTimeout) {
		return 0 // it may be another cluster by now
	}
	return o.count
}

// doubt notes that a shard is not served in an epoch. It returns true if that is
// news.
func (o *owners) doubt(shard uint32, epoch uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch == 0 || int64(shard) >= int64(len(o.epochs)) || o.epochs[shard] != epoch || o.doubted[shard] == epoch {
		return false
	}
	if o.doubted == nil {
		o.doubted = map[uint32]uint64{}
	}
	o.doubted[shard] = epoch
	return true
}

// learn takes an answer or an announcement, and returns the shards whose known epoch has changed.
// An answer of the nodes says how many shards there are, and replaces epochs that are in doubt. An
// announcement may come from any user with the right to announce.
func (o *owners) learn(told *wire.Owners, answer bool) (changed []uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if answer {
		o.count, o.counted = told.NumShards, expiry.Now()
	}
	if n := int(told.NumShards) - len(o.epochs); answer && n > 0 {
		o.epochs = append(o.epochs, make([]uint64, n)...)
		o.said = append(o.said, make([]uint64, n)...)
	}
	for i, epoch := range told.Epochs {
		at := int64(told.First) + int64(i)
		if at >= int64(len(o.epochs)) {
			break
		}
		shard, known := uint32(at), o.epochs[at]
		if answer {
			o.said[at] = max(o.said[at], epoch)
		}
		doubted := answer && known > 0 && o.doubted[shard] == known
		if epoch > known || epoch > 0 && epoch < known && doubted { // 0: the node that answers does not know the epoch any more
			o.epochs[at] = epoch
			delete(o.doubted, shard)
			changed = append(changed, shard)
		}
	}
	return changed
}

// reroute gives a shard that has been sent to the way to its newest known owner. Envelopes that
// wait on the old way still go there.
func (t *Transport) reroute(shard uint32) {
	for {
		old, ok := t.boxes.Load(shard)
		if !ok {
			return
		}
		epoch := t.owners.epochOf(shard)
		if epoch == old.(*shardBox).epoch {
			return
		}
		if t.boxes.CompareAndSwap(shard, old, t.newBox(shard, epoch)) && epoch > old.(*shardBox).epoch {
			t.succeed(old.(*shardBox))
		} // and look whether that holds
	}
}

// newest returns the way to the newest known owner, even if the shard has not been rerouted yet.
func (t *Transport) newest(shard uint32) *shardBox {
	t.reroute(shard)
	return t.box(shard)
}

// noOwner reports whether an error says that a shard is not served where the
// request went, and that it has not started.
func noOwner(err error) bool {
	return (errors.Is(err, outcome.ErrTransportNoShardSubscriber) || errors.Is(err, outcome.ErrNotOwner)) &&
		outcome.Of(err).NeverRan()
}

// elsewhere sends a request again that has found no owner, if another owner is known
// by then. A request that surely did not start may start elsewhere.
func (t *Transport) elsewhere(ctx context.Context, env *transport.Envelope, box *shardBox, data []byte, err error) ([]byte, error) {
	for range follows {
		if !noOwner(err) {
			return data, err
		}
		news := t.owners.doubt(box.shard, box.epoch)
		next := t.newest(box.shard)
		if next == box {
			t.ask(ctx, env, news)
			next = t.newest(box.shard)
		}
		if cause := ctx.Err(); cause != nil {
			return nil, outcome.ContextError(cause, outcome.NotStarted).WithCause(err)
		}
		if env.TTLMs > 0 {
			left := env.TTL()
			if left <= 0 {
				return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no owner of shard %d was found in time", box.shard).WithCause(err)
			}
			env.TTLMs = max(1, left.Milliseconds())
			env.Stamp()
		}
		if next == box {
			break
		}
		box, env.Retry = next, env.Retry || errors.Is(err, outcome.ErrNotOwner)
		data, err = t.exchange(ctx, box, env)
	}
	if !errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		return data, err
	}
	if err := wire.CheckShard(env, t.owners.numShards()); err != nil {
		return nil, err
	}
	if state := t.owners.state.Load(); state == living || state == silent {
		return nil, outcome.Errorf(outcome.ErrNotOwner, "shard %d has no owner at the moment", box.shard)
	}
	return data, err
}

// subjectOf returns the subject of a shard's owner in an epoch; the epoch is 0 if the list of
// shards is fixed.
func (t *Transport) subjectOf(shard uint32, epoch uint64) string {
	return t.opts.Prefix + ".s." + strconv.FormatUint(uint64(shard), 10) + "." + strconv.FormatUint(epoch, 10)
}

// ownerOf undoes subjectOf.
func (t *Transport) ownerOf(subject string) (shard uint32, epoch uint64, ok bool) {
	rest, ok := strings.CutPrefix(subject, t.opts.Prefix+".s.")
	if !ok {
		return 0, 0, false
	}
	first, second, _ := strings.Cut(rest, ".")
	s, err := strconv.ParseUint(first, 10, 32)
	e, err2 := strconv.ParseUint(second, 10, 64)
	return uint32(s), e, err == nil && err2 == nil
}
