// Options

package natstransport

import (
	"log/slog"
	"strings"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// defaultMaxBufferedBytes is the default of [Options.MaxBufferedBytes].
const defaultMaxBufferedBytes = 64 << 20

// Options configures a transport. URL or Conn is required.
type Options struct {
	// URL is where to connect to, in the form of nats.Connect: several servers
	// are separated by commas.
	URL string
	// Name names the connection at the server. Operators find it in the
	// server's report of connections, so give a node's transport the node's ID, and
	// a client's the name of its service. At most 256 bytes. Not with Conn.
	// Empty = the program's name and the host's, as in "billing@host-1".
	Name string
	// NATSOptions are added to the connection that Open makes: credentials, TLS,
	// names, handlers, anything of nats.go but nats.NoEcho. Not with Conn.
	// Give each user an inbox prefix of its own, nats.CustomInboxPrefix("_INBOX.alice"),
	// and let it subscribe only to _INBOX.alice.>. A user that may subscribe to all of
	// _INBOX.> reads every reply in the account, and can end the calls of other clients
	// (docs/wire-format.md). A node answers only to inboxes below "_INBOX." and below its
	// own prefix.
	NATSOptions []nats.Option
	// Conn is a connection to use instead of a new one. Close leaves it open. Until Close
	// the transport's error handler replaces the connection's, and also calls it.
	// The connection must echo (no nats.NoEcho). It does not leave a server that announces its end. Calls that are
	// on their way when the server closes it may have run, and nats.go connects again. If the program needs the
	// connection for its options only, give URL and NATSOptions: the transport's own connection leaves in time.
	Conn *nats.Conn
	// Prefix separates the clusters of one NATS account. One or more
	// tokens, separated by dots. Empty = "clstr".
	Prefix string
	// Caller is the last token of the subjects to which this end sends requests. If a user may publish
	// only to PREFIX.n.*.alice, say, the server vouches for that name. A node's log
	// has the name beside a message that the node refuses. At most 64 letters, digits, - and _.
	// Empty = "_".
	Caller string
	// AlwaysOverNATS sends everything over NATS, even calls to shards that a node on this very
	// transport owns. By default such calls go to the node at once, without NATS. The server's
	// permissions do not limit them, and they work while the connection is down, as long as the node has
	// its lease.
	AlwaysOverNATS bool
	// Log gets the events and faults that no caller is told. nil = slog.Default().
	Log *slog.Logger

	// MaxConcurrentHandlers limits how many handlers run at once; more wait for
	// a place. A handler that waits for a request of its own, made with its
	// context, does not count. 0 = default (100), -1 = unlimited.
	MaxConcurrentHandlers int
	// HandlerTimeout is the maximum duration for a handler to complete.
	// 0 = default (30s), -1 = none.
	HandlerTimeout time.Duration
	// MaxPending is how many calls of one shard may be accepted and not yet
	// finished; more are refused with [outcome.ErrOverloaded].
	// 0 = default (16,384), -1 = unlimited.
	MaxPending int
	// MaxBufferedBytes bounds three things, each by itself: the bytes of requests that wait
	// to be sent, of replies that wait to be sent, and of messages that have arrived and
	// wait to be handed on. Messages over the bound are refused with [outcome.ErrOverloaded].
	// If a handler has run and its reply finds no room, the outcome says so. 0 = default
	// (64 MiB), -1 = unlimited.
	MaxBufferedBytes int
}

// fits refuses a connection that cannot serve.
func (o Options) fits(nc *nats.Conn, inboxPrefix string) error {
	if nc.Opts.NoEcho {
		return outcome.Errorf(outcome.ErrBadOption, "nats.NoEcho: not allowed, a node's own requests would find no owner")
	}
	if len(inboxPrefix) > link.MaxInboxPrefix {
		return outcome.Errorf(outcome.ErrBadOption, "the connection's inbox prefix has %d bytes: at most %d allowed", len(inboxPrefix), link.MaxInboxPrefix)
	}
	if strings.HasPrefix(o.Prefix+".", inboxPrefix) || strings.HasPrefix(inboxPrefix, o.Prefix+".") {
		return outcome.Errorf(outcome.ErrBadOption, "Prefix %q: must not overlap with the connection's inboxes %s*", o.Prefix, inboxPrefix)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = natsdial.DefaultPrefix
	}
	if o.Caller == "" {
		o.Caller = "_"
	}
	o.Log = sparse.New(o.Log)
	if o.MaxBufferedBytes == 0 {
		o.MaxBufferedBytes = defaultMaxBufferedBytes
	}
	return o
}

func (o Options) limits() transport.Limits {
	return transport.Limits{
		MaxConcurrentHandlers: o.MaxConcurrentHandlers,
		HandlerTimeout:        o.HandlerTimeout,
		MaxPending:            o.MaxPending,
	}
}

func (o Options) validate() error {
	switch {
	case o.URL == "" && o.Conn == nil:
		return outcome.Errorf(outcome.ErrBadOption, "URL or Conn is required")
	case o.URL != "" && o.Conn != nil:
		return outcome.Errorf(outcome.ErrBadOption, "URL and Conn exclude each other")
	case o.MaxBufferedBytes < -1:
		return outcome.Errorf(outcome.ErrBadOption, "MaxBufferedBytes %d: -1 (unlimited), 0 (default) or more", o.MaxBufferedBytes)
	case o.Conn != nil && o.Name != "":
		return outcome.Errorf(outcome.ErrBadOption, "Name %.64q is for a connection that Open makes, not for Conn: name that one with nats.Name", o.Name)
	case len(o.Name) > natsdial.MaxName:
		return outcome.Errorf(outcome.ErrBadOption, "Name of %d bytes: at most %d allowed", len(o.Name), natsdial.MaxName)
	case !wire.IsNode(o.Caller):
		return outcome.Errorf(outcome.ErrBadOption, "Caller %.64q: 1 to %d letters, digits, - and _", o.Caller, wire.MaxNode)
	case o.Conn != nil && len(o.NATSOptions) > 0:
		return outcome.Errorf(outcome.ErrBadOption, "NATSOptions are for a connection that Open makes, not for Conn")
	}
	for token := range strings.SplitSeq(o.Prefix, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n*>") || strings.HasPrefix(token, "$") || token == "_INBOX" {
			return outcome.Errorf(outcome.ErrBadOption, "Prefix %q: must be tokens separated by dots, without spaces, wildcards, $ and _INBOX", o.Prefix)
		}
	}
	return o.limits().Validate()
}
