// Transport: connecting

package natstransport

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/shardtable"
	"github.com/clstr-go/clstr/internal/wire"
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

// writeTimeout is the default time after which a connection of our own is given up and made anew
// if the network takes nothing from it.
const writeTimeout = 5 * time.Second

// pingEvery is how often a connection of our own asks its server whether it is there. After two
// questions without an answer it connects anew.
const pingEvery = 2 * time.Second

// Transport connects clients and nodes through NATS. Make one with [Open]. It is
// safe for concurrent use.
type Transport struct {
	opts        Options
	nc          atomic.Pointer[nats.Conn] // set once, or by a move
	log         *slog.Logger
	missed      missed // notifications
	packets     packets
	d           *dispatch.Dispatcher
	inbox       string     // without the last token
	inboxPrefix string     // of the connection
	flusher     *pool.Pool // runs outboxes, one at a time
	clock       expiry.Set
	closed      atomic.Bool

	// The state that nats.go tells only under a lock that it holds while it writes. The watcher sets
	// it.
	up         atomic.Bool // the connection is there
	status     atomic.Int32
	maxPayload atomic.Int64
	gone       atomic.Pointer[outcome.Error] // why it has ended for good
	broken     chan struct{}                 // closed with gone

	requestRoom, replyRoom room

	calls   calls
	owners  owners
	asker   asker
	here    here
	who     string // the subject to which answers about owners go
	turns   turns
	hearing hearing
	reports reports
	moves   mover

	succession time.Duration // the constant, but in tests

	node    string // the token of this end's subject
	ears    ears
	lookout lookout
	serve   shardtable.Table[[]*subscription] // by shard, the highest epoch first; set with mu held
	dirs    atomic.Pointer[[]*ownersSub]      // they answer questions for owners; set with mu held

	in    chan *nats.Msg // all messages of the connection, in order
	mu    sync.Mutex
	subs  map[*subscription]struct{}
	marks []func() // of markers in the channel, in order

	// Only the reader's.
	waits   inbox
	decoder wire.Decoder
	packet  wire.Packet
	handing handing
	left    []wire.Reply // of the packet
	acks    []*call      // room for those that a reply decides
	run     []*call      // those of them that are left
	told    []dispatch.Told
	overlap overlap
	peers   peers
	list    list
	telling atomic.Int32 // answers about owners that wait to be sent

	closing, ending sync.Once
	quit            chan struct{}  // closed to end the watcher
	ended           chan struct{}  // closed by the reader at its end
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
		in:      make(chan *nats.Msg, backlog),
		node:    newNode(),
		subs:    map[*subscription]struct{}{},
		peers:   newPeers(),
		broken:  make(chan struct{}),

		succession: succession,
		quit:       make(chan struct{}),
		ended:      make(chan struct{}),
	}
	t.missed.log = opts.Log
	t.hearing.t = t
	t.reports.t, t.reports.news = t, make(chan struct{})
	t.ears.init(t)
	t.lookout.t = t
	t.moves.init(t)
	t.owners.t, t.asker.t = t, t
	t.owners.boxes = map[string]*nodeBox{}
	t.dirs.Store(new([]*ownersSub))
	t.turns.asks = map[*context.CancelCauseFunc]struct{}{}
	t.requestRoom.init(opts.MaxBufferedBytes)
	t.replyRoom.init(opts.MaxBufferedBytes)
	t.waits.limit = t.replyRoom.limit
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
	t.inbox = nc.NewInbox()
	t.inboxPrefix = t.inbox[:strings.LastIndexByte(t.inbox, '.')+1]
	t.who = t.inbox + ".who"
	t.ears.name()
	t.d.SetAsk(t.askTurns) // before anything is subscribed
	t.listen(nc)
	t.reports.begin(nc)
	changes := nc.StatusChanged()
	if err = t.openInbox(ctx, changes); err != nil {
		t.disconnect(nc, changes)
		return err
	}
	over := t.moves.over
	t.running.Go(t.read)                                // ends at the nil message of Close
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

// unconnected is the error for a connection that could not be made.
func unconnected(err error) error {
	_, parse := errors.AsType[*url.Error](err)
	switch {
	case parse:
		return outcome.ErrBadOption
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return outcome.ErrNotPermitted
	}
	return outcome.ErrDisconnected
}

// bare returns an error without the URL that a parser puts in front of it.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
