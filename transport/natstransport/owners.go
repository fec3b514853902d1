package natstransport

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/wire"
)

// askTimeout is how long an answer of the nodes is waited for.
const askTimeout = time.Second

// follows is how often one request is sent again at once because its shard has a
// new owner.
const follows = 3

// What is known of a cluster's owners.
const (
	unasked int32 = iota
	fixed         // nobody answers: lists of shards are fixed, and all epochs 0
	living        // nodes come and go
)

// owners is what a connection knows of who owns which shard. It decides nothing:
// a node serves what it may, and says so.
type owners struct {
	state atomic.Int32

	mu     sync.Mutex
	epochs []uint64           // by shard
	asking chan struct{}      // closed with the answer; nil while no question is open
	hints  *nats.Subscription // to announcements

	hearing, stopped bool
}

// epochOf returns the newest epoch that is known of the shard.
func (o *owners) epochOf(shard uint32) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if int(shard) < len(o.epochs) {
		return o.epochs[shard]
	}
	return 0
}

// learn takes what a node says of owners.
func (t *Transport) learn(told *wire.Owners) {
	o := &t.owners
	o.state.Store(living)
	o.mu.Lock()
	if need := int(told.First) + len(told.Epochs); need > len(o.epochs) && need <= maxShards {
		o.epochs = append(o.epochs, make([]uint64, need-len(o.epochs))...)
	}
	var newer []uint32
	for i, epoch := range told.Epochs {
		if shard := int(told.First) + i; shard < len(o.epochs) && epoch > o.epochs[shard] {
			o.epochs[shard] = epoch
			newer = append(newer, uint32(shard))
		}
	}
	o.mu.Unlock()
	for _, shard := range newer {
		t.reroute(shard)
	}
}

// maxShards is the most that a cluster has.
const maxShards = 1 << 20

// reroute gives a shard that has been sent to a way to its new owner. What waits
// for the old one still goes there.
func (t *Transport) reroute(shard uint32) {
	old, ok := t.boxes.Load(shard)
	if !ok {
		return
	}
	if epoch := t.owners.epochOf(shard); epoch > old.(*shardBox).epoch {
		t.boxes.CompareAndSwap(shard, old, t.newBox(shard, epoch))
	}
}

// elsewhere sends a request again that has found no owner, if there is another by
// now. What surely did not start may start elsewhere.
func (t *Transport) elsewhere(ctx context.Context, env *transport.Envelope, box *shardBox, data []byte, err error) ([]byte, error) {
	for range follows {
		if !errors.Is(err, transport.ErrTransportNoShardSubscriber) && !errors.Is(err, transport.ErrNotOwner) || !transport.OutcomeOf(err).NeverRan() {
			break
		}
		t.ask(ctx)
		next := t.box(box.shard)
		if next == box || ctx.Err() != nil {
			break
		}
		box = next
		data, err = t.exchange(ctx, box, env)
	}
	if errors.Is(err, transport.ErrTransportNoShardSubscriber) && t.owners.state.Load() == living {
		return nil, transport.Errorf(transport.ErrNotOwner, "shard %d has no owner at the moment", box.shard)
	}
	return data, err
}

// ask asks the nodes for all owners and returns when they have answered, or when
// nobody has in time. All who ask at the same moment share a question.
func (t *Transport) ask(ctx context.Context) {
	o := &t.owners
	o.mu.Lock()
	asked := o.asking
	if asked == nil {
		asked = make(chan struct{})
		o.asking = asked
		t.flusher.Go(question{t, 0})
	}
	o.mu.Unlock()
	timer := time.NewTimer(askTimeout)
	defer timer.Stop()
	select {
	case <-asked:
	case <-ctx.Done():
	case <-timer.C:
		o.state.CompareAndSwap(unasked, fixed) // a shard without an owner has it asked again
		o.answered(asked)
	}
	t.hear()
}

// askLater asks for who does not wait.
func (t *Transport) askLater() {
	o := &t.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asking == nil {
		o.asking = make(chan struct{})
		t.flusher.Go(question{t, 0})
	}
}

// answered closes a question, once.
func (o *owners) answered(asked chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asking != nil && (asked == nil || o.asking == asked) {
		close(o.asking)
		o.asking = nil
	}
}

// hear listens to announcements once there may be any.
func (t *Transport) hear() {
	o := &t.owners
	if o.state.Load() != living {
		return
	}
	o.mu.Lock()
	first := !o.hearing && !o.stopped
	o.hearing = true
	o.mu.Unlock()
	if !first {
		return
	}
	sub, err := t.nc.ChanSubscribe(t.opts.SubjectPrefix+".own", t.in) // not under the lock: the network may hang
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.hearing = false // the next asks again
	case o.stopped:
		_ = sub.Unsubscribe()
	default:
		o.hints = sub
	}
}

func (o *owners) hears(sub *nats.Subscription) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return sub == o.hints
}

// stop ends what hear has begun.
func (o *owners) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	if o.hints != nil {
		_ = o.hints.Unsubscribe()
	}
}

// question is a task of the flusher: it asks for the owners of the shards from
// first on.
type question struct {
	t     *Transport
	first uint32
}

// Run implements pool.Task.
func (q question) Run(pool.Slot) {
	ask := wire.AppendOwners(nil, &wire.Owners{First: q.first})
	if err := q.t.nc.PublishRequest(q.t.opts.SubjectPrefix+".who", q.t.who, ask); err != nil {
		q.t.owners.answered(nil)
	}
}

// answer takes the answer to a question, or the server's word that nobody listens.
// Only the reader calls it.
func (t *Transport) answer(m *nats.Msg) {
	o := &t.owners
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		o.state.CompareAndSwap(unasked, fixed)
		o.answered(nil)
		return
	}
	told, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.senders.warn("answer about owners does not decode", "error", err)
		o.answered(nil)
		return
	}
	t.learn(&told)
	if next := uint64(told.First) + uint64(len(told.Epochs)); len(told.Epochs) > 0 && next < uint64(told.NumShards) {
		t.flusher.Go(question{t, uint32(next)})
		return
	}
	o.answered(nil)
}

// announced takes the announcement of a new owner. Only the reader calls it.
func (t *Transport) announced(m *nats.Msg) {
	told, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.senders.warn("announcement of an owner does not decode", "error", err)
		return
	}
	t.learn(&told)
}

// announce tells clients of a new owner; those who miss it ask.
func (t *Transport) announce(shard uint32, epoch uint64) {
	b := wire.AppendOwners(nil, &wire.Owners{First: shard, Epochs: []uint64{epoch}})
	t.flusher.Go(message{t, t.opts.SubjectPrefix + ".own", b})
}

// message is a task of the flusher: it publishes what nobody waits for.
type message struct {
	t       *Transport
	subject string
	data    []byte
}

// Run implements pool.Task.
func (m message) Run(pool.Slot) {
	if err := m.t.nc.Publish(m.subject, m.data); err != nil {
		m.t.senders.warn("message was not sent", "subject", m.subject, "error", err)
	}
}

// subjectOf is that of a shard's owner in an epoch; 0 where the list of shards is
// fixed.
func (t *Transport) subjectOf(shard uint32, epoch uint64) string {
	return t.opts.SubjectPrefix + ".s." + strconv.FormatUint(uint64(shard), 10) + "." + strconv.FormatUint(epoch, 10)
}
