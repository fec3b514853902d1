// Network: what connects the processes of a service

package clstr

import (
	"context"
	"log/slog"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/state"
)

// Network connects the processes of a service. [NATS], [Memory] and embed.Dir make one.
type Network interface {
	// Join connects one process. It returns when the connections are there, or when ctx
	// ends.
	Join(ctx context.Context, m Member) (Link, error)
}

// Member is what a [Network] is told about a process that joins.
type Member struct {
	Service string       // [Options].Name
	Node    string       // names the process's connections
	Drawn   bool         // Node was drawn at random: [Link].Node may replace it
	Hosts   bool         // it has a node: false for a client, which needs no Store
	Durable bool         // it has a node that hosts durable entities
	Log     *slog.Logger // may be nil
}

// Link is the way of one process to the others.
type Link struct {
	Transport cluster.Transport
	Store     membership.Store // the records of members and shards
	// Node names the member in place of a Node that was drawn. It is for networks that can give a process
	// the name of one that has ended before: a node that is started again under its name need not wait for
	// the lease of the dead one. Empty = the member keeps its name.
	Node string
	// State keeps the states of durable entities. Where the member is not Durable, its reads
	// and watches are used alone. It may be nil.
	State state.Store
	Close func() error // ends all; may be nil
}
