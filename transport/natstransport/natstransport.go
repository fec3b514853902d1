// Transport: connecting

package natstransport

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ transport.Transport           = (*Transport)(nil)
	_ transport.ConnectionTransport = (*Transport)(nil)
)

// backlog is how many messages may wait for the reader, which never blocks. From
// half of it on the transport refuses requests with outcome.ErrOverloaded. nats.go drops messages
// beyond it, and the transport logs that.
const backlog = 64 << 10

// Transport connects clients and nodes through NATS. Make one with [Open]. It is
// safe for concurrent use.
type Transport struct {
	opts Options
	link
	log         *slog.Logger
	missed      missed // notifications
	drops       drops
	packets     packets
	d           *dispatch.Dispatcher
	inbox       string     // without the last token
	inboxPrefix string     // of the connection
	flusher     *pool.Pool // runs outboxes, one at a time
	clock       expiry.Set
	closed      atomic.Bool

	requestRoom, replyRoom room

	calls   calls
	posted  posted
	owners  owners
	asker   asker
	here    here
	who     string // the subject to which answers about owners go
	turns   turns
	hearing hearing
	reports reports
	moves   mover

	node      string // the token of this end's subject
	ears      ears
	door      door
	table     table
	directory directory

	reader  reader
	server  server
	replies replies

	closing, ending sync.Once
	quit            chan struct{}  // closed to end the watcher
	mu              sync.Mutex     // held while closed is set, and while running grows
	running         sync.WaitGroup // reader and watcher
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
		quit:    make(chan struct{}),
	}
	t.missed.log, t.drops.live = opts.Log, map[*nats.Subscription]uint64{}
	t.link.t, t.broken = t, make(chan struct{})
	t.hearing.t, t.posted.t = t, t
	t.reports.t, t.reports.news = t, make(chan struct{})
	t.ears.init(t)
	t.door.t = t
	t.moves.init(t)
	t.owners.t, t.asker.t = t, t
	t.owners.boxes = map[string]*nodeBox{}
	t.directory.t = t
	t.directory.dirs.Store(new([]*ownersSub))
	t.table.t, t.table.subs = t, map[*subscription]struct{}{}
	t.turns.t, t.turns.asks = t, map[*context.CancelCauseFunc]struct{}{}
	t.requestRoom.init(opts.MaxBufferedBytes)
	t.replyRoom.init(opts.MaxBufferedBytes)
	t.reader = reader{t: t, in: make(chan *nats.Msg, backlog), ended: make(chan struct{}), waits: inbox{limit: t.replyRoom.limit}}
	t.server.t, t.server.peers, t.replies.t = t, newPeers(), t
	t.moves.turn <- struct{}{} // until it is connected
	if err := t.connect(ctx); err != nil {
		t.moves.end()
		return nil, err
	}
	return t, nil
}

func (t *Transport) connect(ctx context.Context) (err error) {
	nc := t.opts.Conn
	if nc == nil {
		if nc, err = t.dial(ctx, t.opts.URL); ctx.Err() != nil {
			return outcome.Annotate(outcome.ContextError(ctx.Err(), outcome.NotSent), "connecting to "+natsdial.Redact(t.opts.URL))
		} else if err != nil {
			return outcome.Errorf(unconnected(err), "connecting to %s: %v", natsdial.Redact(t.opts.URL), bare(err)).WithOutcome(outcome.NotSent)
		}
	}
	t.nc.Store(nc)
	t.inbox = newInbox(nc)
	t.inboxPrefix = t.inbox[:strings.LastIndexByte(t.inbox, '.')+1]
	t.who = t.inbox + ".who"
	t.ears.name()
	t.d.SetAsk(t.turns.ask) // before anything is subscribed
	natsdial.Listen(nc, &t.reports)
	t.reports.begin(nc)
	changes := nc.StatusChanged()
	if err = t.openInbox(ctx, changes); err != nil {
		t.disconnect(nc, changes)
		return err
	}
	over := t.moves.over
	t.running.Go(t.reader.read)                         // ends at the nil message of Close
	t.running.Go(func() { t.watch(nc, changes, over) }) // ends at quit, or when the end has moved
	<-t.moves.turn
	return nil
}

// openInbox subscribes to the replies.
func (t *Transport) openInbox(ctx context.Context, changes chan nats.Status) (err error) {
	if err = t.opts.fits(t.nc.Load(), t.inboxPrefix); err != nil {
		return err
	}
	if t.look(t.nc.Load(), changes); t.up.Load() {
		return t.ears.open(ctx, &t.ears.inbox)
	}
	return t.ears.trust(&t.ears.inbox) // nats.RetryOnFailedConnect: the watcher tells when the server is there
}

// Connected implements [transport.ConnectionTransport].
func (t *Transport) Connected() bool { return t.up.Load() }

// Broken implements [transport.ConnectionTransport]. A connection ends for good when
// nats.go gives up (at a limit of its options, or at a repeated refusal of the
// server), or when the program that gave it has closed it.
func (t *Transport) Broken() <-chan struct{} { return t.broken }

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
	t.mu.Lock()
	t.closed.Store(true) // before all looks at the table: a subscriber is seen there, or sees it
	t.mu.Unlock()
	t.moves.stop()
	t.ears.shut(&t.ears.node, &t.ears.list)
	t.table.remove(t.table.all()...)
}

// start runs f in a goroutine that Close waits for, unless Close has begun.
func (t *Transport) start(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed.Load() {
		t.running.Go(f) // ends as the caller says
	}
}

// end ends the rest when the handlers have ended.
func (t *Transport) end() {
	t.calls.lose(outcome.Errorf(outcome.ErrTransportClosed, "while the request was on its way").WithOutcome(outcome.MaybeRan))
	t.flusher.Close()
	if t.up.Load() {
		_ = t.flush(context.Background()) // the replies; without a connection they are lost anyway
	}
	t.ears.stopAll()
	t.asker.stop()
	t.clock.Stop()
	close(t.quit)
	t.reader.in <- nil
	t.running.Wait()
	sparse.Flush(t.log)
}

// SubscribeShard implements [transport.ServerTransport].
func (t *Transport) SubscribeShard(ctx context.Context, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, t.Backend(), shardID, h)
}

// Backend returns what nodes of this library use.
func (t *Transport) Backend() dispatch.Backend { return backend{t, &t.hearing} }

// MissedNotifications returns how many notifications without an acknowledgement from this
// end have surely reached no node: no node serves their shard, or the connection did not
// take them. The log has one line or a few about them in each second in which there are
// some.
func (t *Transport) MissedNotifications() uint64 { return t.missed.n.Load() }

// DroppedMessages returns how many messages to this end nats.go has dropped, because they came faster than
// the end took them. The callers of calls that were lost so get outcome.ErrConnectionLost.
func (t *Transport) DroppedMessages() uint64 { return t.drops.count(nil) }

// PacketCounts returns how many packets did not decode, and how many replies were
// refused: by this end, because the subject is no inbox, or by the server.
func (t *Transport) PacketCounts() (undecodable, refusedReplies uint64) {
	return t.packets.undecodable.Load(), t.packets.refused.Load()
}
