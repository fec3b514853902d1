// Command otel is a service that uses clstr and OpenTelemetry's SDK in one program.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/clstr-go/clstr/cluster"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// run asks a key under a span. Its handler asks another, which says which trace it
// belongs to.
func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	spans := trace.NewTracerProvider()

	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		return err
	}
	node := cluster.NewNode(cluster.NodeOptions{
		Transport: tr, NumShards: 1, Shards: []uint32{0},
		Handler: func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			if env.Type == "ask" {
				return client.RequestKey(ctx, "b", "tell", nil)
			}
			return []byte(env.Headers["traceparent"]), nil
		},
	})
	stop, err := node.Start(ctx)
	if err != nil {
		return err
	}

	ctx, span := spans.Tracer("otel").Start(ctx, "ask")
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	reply, err := client.RequestKey(ctx, "a", "ask", nil, cluster.WithHeader("traceparent", carrier["traceparent"]))
	span.End()
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if want := carrier["traceparent"]; want == "" || string(reply) != want {
		return fmt.Errorf("the handler has seen the trace %q, want %q", reply, want)
	}
	return nil
}
