// Options, and the permissions of each role

package natsstate

import (
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// Options configures a store. URL is required.
type Options struct {
	// URL is where to connect to, in the form of nats.Connect: several servers
	// are separated by commas.
	URL string
	// Name names the store's connection at the server: give it the node's
	// ID. At most 256 bytes. Empty = the program's name and the host's.
	Name string
	// NATSOptions are added to the store's connection: credentials, TLS, names,
	// handlers, anything of nats.go but nats.ReconnectBufSize.
	NATSOptions []nats.Option
	// Prefix separates the clusters of one NATS account. Give the transport the same.
	// Tokens of letters, digits, - and _, separated by dots. Empty = "clstr".
	Prefix string
	// Client opens a store for a client. It makes no streams, and needs only [ClientPermissions] and
	// [WatchPermissions]. Only Append, Watch and reads of one record without a token work.
	Client bool
	// Existing has Open make no streams: it returns [ErrNoStreams] where there is no stream of state, and
	// takes what is there in any storage. For tools, whose Prefix may have a typo.
	Existing bool
	// Adopt lets the first cluster that opens a shard take over the state of another cluster.
	Adopt bool
	// Replicas of the streams that Open makes, 1 to 5. 0 = 3 if the servers are
	// clustered, else 1. If Replicas is given, streams that are there must have as many.
	Replicas int
	// Memory keeps streams that Open makes in the memory of the servers. When the servers end, the
	// state is gone. For tests.
	Memory bool
	// MaxBytes bounds each stream that Open makes. 0 = as much as the account may have.
	MaxBytes int64
	// Log gets the faults that no caller is told. nil = slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = natsdial.DefaultPrefix
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = -1
	}
	o.Log = sparse.New(o.Log)
	return o
}

// store is what natsdial must know of the store.
func (o Options) store() natsdial.Store {
	st := natsdial.Store{URL: o.URL, Name: o.Name, Prefix: o.Prefix, Replicas: o.Replicas, Options: o.NATSOptions, What: "state"}
	if !o.Client {
		st.Inbox = namesOf(o.Prefix).answers
	}
	return st
}

func (o Options) validate() error {
	if o.MaxBytes < -1 {
		return outcome.Errorf(outcome.ErrBadOption, "MaxBytes %d: at least 1, or 0 for no bound", o.MaxBytes)
	}
	return o.store().Validate()
}

// Permissions are the subjects that a user of NATS may use.
type Permissions struct{ Publish, Subscribe []string }

// NodePermissions returns what the user of the nodes' stores needs. Give them to no other user.
// An empty prefix is "clstr". A connection with a nats.CustomInboxPrefix of its own
// needs that in place of <prefix>.sti.
func NodePermissions(prefix string) Permissions {
	n := namesOf(prefix)
	p := Permissions{
		Publish:   []string{n.data + ">", n.inbox + ">"},
		Subscribe: []string{n.dataSeen + ">", n.inboxSeen + ">", n.answers + ".>"},
	}
	for _, api := range []string{apiInfo, apiCreate, apiDelete, apiDirect} {
		p.Publish = append(p.Publish, api+n.stateStream, api+n.inboxStream)
	}
	return p
}

// ClientPermissions returns what a client needs to send mail, beside its inbox.
func ClientPermissions(prefix string) Permissions {
	return Permissions{Publish: []string{namesOf(prefix).inbox + ">"}}
}

// WatchPermissions returns what a client needs to see the records of some kinds, beside its
// inbox. Without kinds it returns the permissions for all kinds.
func WatchPermissions(prefix string, kinds ...string) (p Permissions) {
	n := namesOf(prefix)
	tails := []string{">"}
	if len(kinds) > 0 {
		tails = nil
	}
	for _, kind := range kinds {
		tails = append(tails, "*."+token(kind)+".>")
	}
	for _, tail := range tails {
		p.Publish = append(p.Publish, apiDirect+n.stateStream+"."+n.data+"k."+tail)
		p.Subscribe = append(p.Subscribe, n.dataSeen+"k."+tail)
	}
	return p
}

// Where JetStream takes requests, without the stream's name.
const (
	apiInfo   = "$JS.API.STREAM.INFO."
	apiCreate = "$JS.API.STREAM.CREATE."
	apiDelete = "$JS.API.STREAM.MSG.DELETE."
	apiDirect = "$JS.API.DIRECT.GET."
)
