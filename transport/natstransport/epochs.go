package natstransport

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/wire"
)

var (
	_ transport.EpochTransport  = (*Transport)(nil)
	_ transport.OwnersTransport = (*Transport)(nil)
)

// SubscribeEpoch implements [transport.EpochTransport].
func (t *Transport) SubscribeEpoch(ctx context.Context, shardID uint32, epoch uint64, r transport.Receiver) (transport.Subscription, error) {
	s, err := t.subscribeEpoch(ctx, shardID, epoch, r)
	if err != nil {
		return nil, err
	}
	t.announce(shardID, epoch)
	return s, nil
}

// Linger is how long an owner that has handed its shard over stays subscribed: in
// a cluster of NATS servers, some do not know yet that it has gone.
func (t *Transport) Linger() time.Duration {
	if t.nc.ConnectedClusterName() == "" {
		return 0
	}
	return 2 * time.Second
}

// ownersSub is the answering of questions for owners.
type ownersSub struct {
	t    *Transport
	nats *nats.Subscription
	dir  transport.Owners
}

// ServeOwners implements [transport.OwnersTransport].
func (t *Transport) ServeOwners(ctx context.Context, dir transport.Owners) (transport.Subscription, error) {
	s := &ownersSub{t: t, dir: dir}
	t.mu.Lock()
	if t.closed.Load() {
		t.mu.Unlock()
		return nil, transport.Errorf(transport.ErrTransportClosed, "owners")
	}
	var err error
	if s.nats, err = t.nc.ChanQueueSubscribe(t.opts.SubjectPrefix+".who", "who", t.in); err == nil {
		t.asked[s.nats] = s
	}
	t.mu.Unlock()
	if err != nil {
		return nil, notSent(err)
	}
	if err := t.flush(ctx); err != nil {
		return nil, errors.Join(err, s.Unsubscribe())
	}
	return s, nil
}

// Unsubscribe implements [transport.Subscription].
func (s *ownersSub) Unsubscribe() error {
	s.t.mu.Lock()
	delete(s.t.asked, s.nats)
	s.t.mu.Unlock()
	_ = s.nats.Unsubscribe() // who has asked asks again
	return nil
}

// tell answers a question for owners. Only the reader calls it.
func (t *Transport) tell(s *ownersSub, m *nats.Msg) {
	if !t.isInbox(m.Reply) {
		t.senders.warn("question for owners with a reply subject that is no inbox is ignored")
		return
	}
	ask, err := wire.DecodeOwners(m.Data)
	if err != nil {
		t.senders.warn("question for owners does not decode", "error", err)
		return
	}
	told := wire.Owners{First: ask.First}
	most := min(wire.MaxEpochs, t.limit()/10) // an epoch takes 10 bytes at most
	told.Epochs, told.NumShards = s.dir.Epochs(ask.First, most)
	t.flusher.Go(message{t, m.Reply, wire.AppendOwners(nil, &told)})
}
