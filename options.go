// Options of a service, and what they may be

package clstr

import (
	"context"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"

	"crypto/rand"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Options describes a service. Name and On are required.
type Options struct {
	// Name is the name of the service, the same in all of its processes: 1 to 64 letters, digits,
	// - and _. Subjects and the bucket of records begin with it, so services with different
	// names can share a NATS account without meeting.
	Name string
	// On connects the processes of the service: [NATS], embed.Dir, or one [Memory] for several
	// calls of Open.
	On Network
	// Entities are the kinds that this process hosts: [Host]. Their definitions have their bounds
	// (actor.CacheSize, actor.MailboxSize). Put kinds with handlers of another sort, or with a func
	// around their messages, into Node.Kinds. A process with neither
	// is a client. All processes that host anything should host the same kinds. A process that
	// leaves out a kind still owns shards with keys of that kind, and refuses their calls
	// ([cluster.ErrUnknownKind]).
	Entities []Entity
	// Shards is the number of parts into which the keys are divided, for good. The first process
	// of a service writes it, and the others learn it. 0 = the written number, or
	// [cluster.DefaultNumShards] in the first process. Open refuses a number that differs from the
	// written one with [cluster.ErrLayoutMismatch], which names both.
	Shards uint32
	// Metrics measures the node and the client; package cluster/prommetrics makes one.
	Metrics cluster.ClusterMetrics
	// Log gets the events and faults that no caller is told. nil = slog.Default().
	Log *slog.Logger

	// Node has further options of the node: its Kinds, limits, Timing, StopTimeout. Its
	// NodeID names the connections, too. Empty = the host's name and eight random characters, or
	// what the network names the node: embed.Dir gives each start the names of before. Over NATS, set it for
	// a process that may be killed. If it is started again under its name, it serves at once. Under another
	// name it serves when the lease of the dead process has ended, 10 to 12 s later.
	// Open sets Transport, Membership, Shards, NumShards and Seed. It sets State, here and in
	// Client, unless that is given: durable entities keep their states in the network On. A
	// handler in Kinds says by handlers.Options.Durable that its actors are durable. Open does not see handlers inside a
	// func of yours: if only such handlers keep state, give State here.
	Node cluster.NodeOptions
	// Client has further options of the client: RetryOn, EnvelopeOptions. Open sets
	// Transport, NumShards and Seed.
	Client cluster.ClientOptions
}

// Entity is a kind that a service can host: an [actor.Definition].
type Entity interface {
	// Kind is the kind's name.
	Kind() string
	// New makes the actor of a key.
	New(key string) (actor.Actor, error)
}

// Host lists the kinds that a service hosts, for [Options].Entities. A protoactor actor or
// any other handler is hosted by [Options].Node.Kinds:
//
//	Node: cluster.NodeOptions{Kinds: map[string]cluster.ServerHandlerFunc{
//		"feed": cluster.NewActorHandler(newFeed),
//	}},
func Host(entities ...Entity) []Entity { return entities }

// maxName bounds [Options.Name].
const maxName = 64

func (o Options) validate() error {
	bad := func(format string, args ...any) error { return outcome.Errorf(outcome.ErrBadOption, format, args...) }
	switch {
	case len(o.Name) < 1 || len(o.Name) > maxName || o.Name == "_INBOX" || strings.ContainsFunc(o.Name, func(r rune) bool { return !usual(r) }):
		return bad("Name %.80q: 1 to %d letters, digits, - and _, and not _INBOX", o.Name, maxName)
	case isNil(o.On):
		return bad("service %s: On is required: clstr.NATS(url), clstr.Memory(), or embed.Dir(folder)", o.Name)
	case o.Node.Transport != nil || o.Node.Membership != nil || o.Node.Shards != nil || o.Node.NumShards != 0 || o.Node.Seed != "":
		return bad("service %s: Node: Transport, Membership, Shards, NumShards and Seed are set by Open; Options.Shards says how many there are", o.Name)
	case o.Client.Transport != nil || o.Client.NumShards != 0 || o.Client.Seed != "":
		return bad("service %s: Client: Transport, NumShards and Seed are set by Open; Options.Shards says how many there are", o.Name)
	}
	if o.Shards != 0 {
		if err := (sharding.Layout{NumShards: o.Shards}).Validate(); err != nil {
			return bad("service %s: Shards: %v", o.Name, err)
		}
	}
	kinds := map[string]bool{}
	for kind := range o.Node.Kinds {
		kinds[kind] = true
	}
	for i, e := range o.Entities {
		switch {
		case isNil(e):
			return bad("service %s: Entities[%d] is nil", o.Name, i)
		case e.Kind() == "":
			return bad("service %s: Entities[%d] has no kind", o.Name, i)
		case kinds[e.Kind()]:
			return bad("service %s: kind %q is hosted twice", o.Name, e.Kind())
		}
		kinds[e.Kind()] = true
	}
	return nil
}

func usual(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// isNil also knows a nil pointer in an interface.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || r.Kind() == reflect.Pointer && r.IsNil()
}

// hosts reports whether the process is more than a client.
func (o Options) hosts() bool {
	return len(o.Entities) > 0 || len(o.Node.Kinds) > 0 || o.Node.Handler != nil
}

// durable reports whether the node needs the network's store of state.
func (o Options) durable() bool {
	for _, h := range o.Node.Kinds {
		if hosting.Durable(h) {
			return true
		}
	}
	return hosting.Durable(o.Node.Handler) || slices.ContainsFunc(o.Entities, func(e Entity) bool {
		d, ok := e.(interface{ Durable() bool })
		return ok && d.Durable()
	})
}

// node returns the options of the node.
func (o Options) node(base context.Context, link Link) cluster.NodeOptions {
	n := o.Node
	n.Transport, n.Membership, n.NumShards, n.BaseContext = link.Transport, link.Store, o.Shards, base
	if n.State == nil && o.durable() {
		n.State = link.State
	}
	n.Kinds = make(map[string]cluster.ServerHandlerFunc, len(o.Node.Kinds)+len(o.Entities))
	for kind, h := range o.Node.Kinds {
		n.Kinds[kind] = h
	}
	for _, e := range o.Entities {
		n.Kinds[e.Kind()] = cluster.NewActorHandler(e.New)
	}
	if n.Log == nil {
		n.Log = o.Log
	}
	if n.Metrics == nil {
		n.Metrics = o.Metrics
	}
	return n
}

// client returns the options of the client. It learns from the nodes how keys map to
// shards, unless it is told, and there is no node beside it to be refused.
func (o Options) client(link Link) cluster.ClientOptions {
	c := o.Client
	if c.Transport = link.Transport; c.State == nil {
		c.State = link.State
	}
	if !o.hosts() {
		c.NumShards = o.Shards
	}
	if c.Metrics == nil {
		c.Metrics = o.Metrics
	}
	return c
}

// newNodeID returns the host's name, as far as that may be, and 40 bits of chance.
func newNodeID() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if len(host) > 40 || host == "" || strings.ContainsFunc(host, func(r rune) bool { return !usual(r) }) {
		host = "node"
	}
	return host + "-" + strings.ToLower(rand.Text()[:8])
}
