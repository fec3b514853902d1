package cborcodec_test

import (
	"context"
	"fmt"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
)

type (
	Move  struct{ Lat, Lon float64 }
	Moved struct{ Codec string }
	Truck struct{ at Move }
)

func (t *Truck) Move(c *actor.Context, m Move) (Moved, error) {
	t.at = m
	return Moved{c.Message().Codec}, nil
}

// A client that sends CBOR. The node knows the codec, because its program names the package.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	trucks := actor.Define("truck", func(string) *Truck { return &Truck{} }, actor.OnRequest((*Truck).Move))
	tr := cluster.NewInMemoryTransport()
	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: cluster.NewActorHandler(trucks.New)})
	stop, err := node.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1, Codec: cborcodec.Name})
	if err != nil {
		fmt.Println(err)
		return
	}
	moved, err := cluster.NewRequest[Move, Moved](client.Key("truck-1")).Request(ctx, Move{Lat: 53.5, Lon: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(moved.Codec, stop(), tr.Close())
	// Output: cbor <nil> <nil>
}
