// A NATS server and nodes in one process; they can be killed

// Package demo runs a NATS server, the nodes of a live cluster and callers, all in
// this process, for clstr demo and for the tests of the command.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// NumShards is the cluster's number of shards.
const NumShards = 64

// Kind is the kind of entity that the nodes host.
const Kind = "counter"

// Timing is short: other nodes notice a killed node within three seconds.
var Timing = membership.Timing{
	Lease: 2 * time.Second, Renew: 400 * time.Millisecond, Margin: 200 * time.Millisecond, Delta: 200 * time.Millisecond,
	Poll: 250 * time.Millisecond, ShardPoll: time.Second, Settle: 100 * time.Millisecond, Residency: 100 * time.Millisecond,
}

// Add is a request to a counter, and Value its reply.
type (
	Add   struct{ N int64 }
	Value struct{ Value int64 }
)

// Counter is the entity: it counts while it is active, in memory only.
type Counter struct{ value int64 }

// Add adds.
func (c *Counter) Add(_ *actor.Context, m Add) (Value, error) {
	if m.N < 0 {
		return Value{}, fmt.Errorf("cannot add %d: a counter only grows", m.N)
	}
	c.value += m.N
	return Value{c.value}, nil
}

var counters = actor.Define(Kind, func(string) *Counter { return &Counter{} }, actor.OnRequest((*Counter).Add))

// Node is a node with connections of its own, as if it were alone in its process.
type Node struct {
	Name  string
	node  *cluster.Node
	nc    *nats.Conn
	tr    *natstransport.Transport
	store *natsstore.Store
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of Run; set before ended is closed
}

// Options are what differs between nodes.
type Options struct {
	Name, Zone, Version string
	Weight              float64
}

// Start starts a node. It lives until Stop or Kill.
func Start(ctx context.Context, url, prefix string, o Options) (*Node, error) {
	log := slog.New(slog.DiscardHandler)
	n := &Node{Name: o.Name, ended: make(chan struct{})}
	var err error
	if n.nc, err = nats.Connect(url, nats.Name("node "+o.Name), nats.MaxReconnects(-1)); err != nil {
		return nil, err
	}
	n.store, err = natsstore.Open(ctx, natsstore.Options{URL: url, Prefix: prefix, Name: o.Name, Memory: true, Log: log})
	if err == nil {
		n.tr, err = natstransport.Open(ctx, natstransport.Options{Conn: n.nc, Prefix: prefix, Log: log})
	}
	if err != nil {
		if n.store != nil {
			n.store.Close()
		}
		n.nc.Close()
		return nil, err
	}
	n.node = cluster.NewNode(cluster.NodeOptions{
		NodeID: o.Name, Zone: o.Zone, Version: o.Version, Weight: o.Weight, Transport: n.tr, Membership: n.store, Timing: Timing, NumShards: NumShards, Log: log,
		Kinds:       map[string]cluster.ServerHandlerFunc{Kind: cluster.NewActorHandler(counters.New)},
		StopTimeout: 2 * time.Second,
	})
	running, stop := context.WithCancel(context.Background())
	n.stop = stop
	go func() { // ends when the node has left, or at Stop or Kill
		n.err = n.node.Run(running)
		_ = n.tr.Close() // what has not ended is said by Run
		n.store.Close()
		n.nc.Close()
		close(n.ended)
	}()
	return n, nil
}

// Ready is closed when the node serves all that it should.
func (n *Node) Ready() <-chan struct{} { return n.node.Ready() }

// Ended is closed when the node has ended for any reason.
func (n *Node) Ended() <-chan struct{} { return n.ended }

// Stop tells the node to leave, and returns when it has ended.
func (n *Node) Stop() error {
	n.stop()
	<-n.ended
	return n.err
}

// Kill ends the node's connections without a word, as a crash of its process does. The
// rest of the node ends by itself.
func (n *Node) Kill() {
	n.store.Close() // first: a node that has lost its transport alone would leave
	n.nc.Close()
	n.stop()
}

// Server is a NATS server in this process.
type Server struct {
	URL string
	s   *server.Server
	dir string
}

// StartServer starts a server on a free port of the loopback interface.
func StartServer() (*Server, error) {
	dir, err := os.MkdirTemp("", "clstr-demo-")
	if err != nil {
		return nil, err
	}
	n := &Server{dir: dir}
	n.s, err = server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	n.s.Start()
	if !n.s.ReadyForConnections(10 * time.Second) {
		n.Stop()
		return nil, fmt.Errorf("the NATS server in this process does not take connections")
	}
	n.URL = n.s.ClientURL()
	return n, nil
}

// Stop ends the server and removes its files.
func (n *Server) Stop() {
	n.s.Shutdown()
	n.s.WaitForShutdown()
	_ = os.RemoveAll(n.dir) // below the directory for what is temporary
}
