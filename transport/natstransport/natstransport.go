// Transport: connecting

package natstransport

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
	"github.com/clstr-go/clstr/transport/natstransport/internal/serving"
)

var (
	_ transport.Transport           = (*Transport)(nil)
	_ transport.ConnectionTransport = (*Transport)(nil)
	_ transport.LayoutTransport     = (*Transport)(nil)
)

// backlog is how many messages may wait for the reader, which never blocks. From
// half of it on the transport refuses requests with outcome.ErrOverloaded. nats.go drops messages
// beyond it, and the transport logs that.
const backlog = 64 << 10

// Transport connects clients and nodes through NATS. Make one with [Open]. It is
// safe for concurrent use.
type Transport struct {
	opts    Options
	link    *link.Link
	log     *slog.Logger
	missed  missed // notifications
	packets packets
	d       *dispatch.Dispatcher
	flusher *pool.Pool // runs outboxes, one at a time
	clock   expiry.Set

	requestRoom, replyRoom room

	calls  calls
	posted posted
	owners router
	here   here
	who    string // the subject to which answers about owners go
	turns  turns

	node      string // the token of this end's subject
	ears      ears
	door      door
	table     *serving.Table
	directory *serving.Directory

	reader  reader
	server  server
	replies replies

	closing, ending sync.Once
	running         sync.WaitGroup // the reader, and answers about turns
}

// Open connects to NATS, by ctx's end, and returns a transport that is ready to use. It
// returns outcome.ErrBadOption for options that cannot work, outcome.ErrNotPermitted if
// the server refuses the user, and outcome.ErrDisconnected if no server is there; give
// nats.RetryOnFailedConnect to wait for one instead.
func Open(ctx context.Context, opts Options) (*Transport, error) {
	return open(ctx, opts, backlog)
}

func open(ctx context.Context, opts Options, backlog int) (*Transport, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	t := &Transport{
		opts:    opts,
		log:     opts.Log,
		d:       dispatch.NewDispatcher(opts.limits(), opts.Log),
		flusher: pool.New(1),
		node:    newNode(),
	}
	t.link = link.New(link.Options{
		URL: opts.URL, Conn: opts.Conn, Name: opts.Name, NATSOptions: opts.NATSOptions, Log: opts.Log,
		Clock: &t.clock, Backlog: backlog, User: user{t},
	})
	t.missed.log = opts.Log
	t.posted.t = t
	t.door.t = t
	t.owners.t = t
	t.owners.Routes = routes.New(t.node, &t.owners, &t.clock, opts.Log)
	t.table = serving.NewTable(t.link.Closed, t.link.ReadSent)
	t.directory = serving.NewDirectory(t.node, t.table)
	t.turns.t, t.turns.asks = t, map[*context.CancelCauseFunc]struct{}{}
	t.requestRoom.init(opts.MaxBufferedBytes)
	t.replyRoom.init(opts.MaxBufferedBytes)
	t.reader = reader{t: t, most: t.replyRoom.limit}
	t.server.t, t.server.peers, t.replies.t = t, newPeers(), t
	if err := t.link.Connect(ctx, t.name); err != nil {
		return nil, err
	}
	t.running.Go(t.reader.read) // ends at the nil message of Close
	return t, nil
}

// name gives the ears their subjects, once there is a connection.
func (t *Transport) name(nc *nats.Conn) ([]*link.Ear, error) {
	t.who = t.link.Inbox + ".who"
	t.d.SetAsk(t.turns.ask) // before anything is subscribed
	es, prefix := &t.ears, t.opts.Prefix
	es.inbox = link.Ear{Subject: t.link.Inbox + ".*", Take: t.replies.take}
	es.node = link.Ear{Subject: prefix + ".n." + t.node + ".*", Take: t.server.take, Once: true}
	es.own = link.Ear{Subject: prefix + ".own", Take: t.owners.announced}
	es.list = link.Ear{Subject: prefix + ".who", Take: t.owners.tell, Hello: t.door.introduce}
	es.who = link.Ear{Subject: prefix + ".who", Queue: "who", Take: t.owners.tell}
	es.turns = link.Ear{Subject: link.NewInbox(nc) + turnsToken, Take: t.turns.tell, Optional: true}
	return []*link.Ear{&es.inbox, &es.node, &es.own, &es.list, &es.who, &es.turns}, t.opts.fits(nc, t.link.InboxPrefix)
}

// Connected implements [transport.ConnectionTransport].
func (t *Transport) Connected() bool { return t.link.Up() }

// Broken implements [transport.ConnectionTransport]. A connection ends for good when
// nats.go gives up (at a limit of its options, or at a repeated refusal of the
// server), or when the program that gave it has closed it.
func (t *Transport) Broken() <-chan struct{} { return t.link.Broken() }

// Close implements [transport.ClientTransport] and [transport.ServerTransport]. It
// unsubscribes from its shards, lets handlers that have started return and their replies
// leave, ends the requests that still wait, and closes the connection unless it was given.
//
// It returns an error if handlers still run long after their contexts have ended. A further
// Close waits for those handlers again. If the network hangs, Close waits for
// nats.FlusherTimeout: 5 s on our own connection, a minute by default on a given one.
func (t *Transport) Close() error {
	err := t.d.FromHandler("Close")
	if err == nil {
		t.closing.Do(t.leave)
		err = t.d.Close()
		t.ending.Do(t.end)
	}
	return err
}

// leave takes back the server's interest in the node.
func (t *Transport) leave() {
	t.link.Leave() // before table.All looks: a subscriber is seen there, or sees that the link is closed
	t.link.Shut(&t.ears.node, &t.ears.list)
	t.table.Remove(t.table.All()...)
}

// end ends the rest when the handlers have ended.
func (t *Transport) end() {
	t.calls.lose(outcome.Errorf(outcome.ErrTransportClosed, "while the request was on its way").WithOutcome(outcome.MaybeRan))
	t.flusher.Close()
	if t.link.Up() {
		_ = t.link.Flush(context.Background()) // the replies; without a connection they are lost anyway
	}
	t.owners.Stop()
	t.clock.Stop()
	t.link.Close()
	t.link.In <- nil
	t.running.Wait()
	sparse.Flush(t.log)
}

// SubscribeShard implements [transport.ServerTransport].
func (t *Transport) SubscribeShard(ctx context.Context, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, t.Backend(), shardID, h)
}

// Backend returns what nodes of this library use.
func (t *Transport) Backend() dispatch.Backend { return backend{t} }

// MissedNotifications returns how many notifications without an acknowledgement from this
// end have surely reached no node: no node serves their shard, or the connection did not
// take them. The log has one line or a few about them in each second in which there are
// some.
func (t *Transport) MissedNotifications() uint64 { return t.missed.n.Load() }

// DroppedMessages returns how many messages to this end nats.go has dropped, because they came faster than
// the end took them. The callers of calls that were lost so get outcome.ErrConnectionLost.
func (t *Transport) DroppedMessages() uint64 { return t.link.Dropped() }

// PacketCounts returns how many packets did not decode, and how many replies were
// refused: by this end, because the subject is no inbox, or by the server.
func (t *Transport) PacketCounts() (undecodable, refusedReplies uint64) {
	return t.packets.undecodable.Load(), t.packets.refused.Load()
}

// missed counts notifications without an acknowledgement that have reached no node: their
// senders have gone on, and cannot be told.
type missed struct {
	log *slog.Logger
	n   atomic.Uint64
}

func (m *missed) add(n int, args ...any) {
	if n > 0 {
		total := m.n.Add(uint64(n))
		m.log.Warn("notifications have reached no node", append(args, "notifications", n, "total", total)...)
	}
}

// packets counts packets that came to this end and could not be used, or could not be answered.
type packets struct{ undecodable, refused atomic.Uint64 }
