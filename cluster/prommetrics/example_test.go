package prommetrics_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
)

func ExampleNewClusterMetrics() {
	reg := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	m := prommetrics.NewClusterMetrics(reg)

	tr := cluster.NewInMemoryTransport()
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Metrics: m,
		Handler: func(context.Context, cluster.Envelope) ([]byte, error) { return []byte("hello"), nil },
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	<-node.Ready()

	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4, Metrics: m})
	if err != nil {
		fmt.Println(err)
	}
	if _, err := client.RequestKey(ctx, "user-123", "GetUser", nil); err != nil {
		fmt.Println(err)
	}
	stop()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}

	families, err := reg.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range families {
		fmt.Println(f.GetName())
	}
	// Output:
	// clstr_cluster_handler_duration_seconds
	// clstr_cluster_handlers_active
	// clstr_cluster_handlers_total
	// clstr_cluster_request_duration_seconds
	// clstr_cluster_requests_total
	// clstr_cluster_shards_owned
}
