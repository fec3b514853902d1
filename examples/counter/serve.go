package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// serve ends in the order in which requests come: first the front, then the
// node behind it.
func serve(ctx context.Context, node *cluster.Node, server *http.Server, listener net.Listener, stdout io.Writer) error {
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	defer stopNode()
	nodeEnded, frontEnded := make(chan error, 1), make(chan error, 1)
	go func() { nodeEnded <- node.Run(nodeCtx) }() // ends at stopNode
	select {
	case <-node.Ready():
	case err := <-nodeEnded:
		return errors.Join(err, listener.Close())
	}
	go func() { frontEnded <- server.Serve(listener) }() // ends at Shutdown
	fmt.Fprintf(stdout, "node %s listens on http://%s\n", node.ID(), listener.Addr())
	select {
	case <-ctx.Done():
	case err := <-frontEnded:
		stopNode()
		return errors.Join(err, <-nodeEnded)
	}
	slog.Info("draining")
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := server.Shutdown(patience)
	<-frontEnded // http.ErrServerClosed
	stopNode()
	return errors.Join(err, <-nodeEnded)
}
