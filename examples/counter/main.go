// Command counter is a service: counters by name behind HTTP, each one an
// entity, in one process or in several around a NATS server.
//
//	go run ./examples/counter
//	curl -X POST 'localhost:8080/counters/visits/add?n=3'   # {"value":3}
//	curl localhost:8080/counters/visits
//	curl localhost:8080/metrics                             # Prometheus
//
// In three terminals, with a NATS server between them, either process answers for
// all counters:
//
//	go run github.com/nats-io/nats-server/v2
//	go run ./examples/counter -nats nats://127.0.0.1:4222 -nodes a,b -id a -listen 127.0.0.1:8081
//	go run ./examples/counter -nats nats://127.0.0.1:4222 -nodes a,b -id b -listen 127.0.0.1:8082
//
// At SIGTERM or Ctrl-C it drains: requests that it has taken are answered, then
// each counter is saved, then it ends. counter.go has the counter and its front.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const numShards = 64

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	f := flag.NewFlagSet("counter", flag.ContinueOnError)
	listen := f.String("listen", "127.0.0.1:8080", "address of the HTTP front; port 0 takes a free one")
	natsURL := f.String("nats", "", "NATS server that connects the nodes; empty: this process is all there is")
	nodes := f.String("nodes", "a", "the IDs of all nodes, the same everywhere")
	id := f.String("id", "a", "the ID of this one")
	if err := f.Parse(args); err != nil {
		return err
	}
	shards := cluster.ShardsForNode(*id, strings.Split(*nodes, ","), numShards, "")
	if shards == nil {
		return fmt.Errorf("-id %q is not among -nodes %q", *id, *nodes)
	}
	var tr cluster.Transport = cluster.NewInMemoryTransport()
	if *natsURL != "" {
		if tr, err = natstransport.New(natstransport.Options{URL: *natsURL}); err != nil {
			return err
		}
	}
	defer tr.Close()

	registry := prometheus.NewRegistry()
	metrics := prommetrics.NewClusterMetrics(registry)
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: *id, Transport: tr, NumShards: numShards, Shards: shards, Metrics: metrics,
		Handler: cluster.NewActorHandler(counters.New),
	})
	nodeCtx, stopNode := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var nodeErr error                                         // set before ended is closed
	go func() { nodeErr = node.Run(nodeCtx); close(ended) }() // ends at stopNode
	defer func() {                                            // after the front has
		stopNode()
		<-ended
		err = errors.Join(err, nodeErr)
	}()
	select {
	case <-node.Ready():
	case <-ended:
		return errors.New("the node did not start")
	}

	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: numShards, Metrics: metrics})
	if err != nil {
		return err
	}
	front := http.NewServeMux()
	front.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	routes(front, client)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: front, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	drained := make(chan error, 1)
	context.AfterFunc(ctx, func() { drained <- server.Shutdown(context.Background()) })
	fmt.Fprintf(stdout, "node %s listens on http://%s\n", node.ID(), listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
