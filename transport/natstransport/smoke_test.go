package natstransport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func TestSmoke(t *testing.T) {
	url := testkit.StartNATS(t)
	node, err := natstransport.New(natstransport.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	client, err := natstransport.New(natstransport.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, err = client.Request(ctx, transport.Envelope{Shard: 7, Type: "Echo"})
	if !errors.Is(err, transport.ErrTransportNoShardSubscriber) {
		t.Fatal(err)
	}
	_, err = node.SubscribeShard(ctx, 7, func(ctx context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		b, err := client.Request(ctx, transport.Envelope{Shard: 7, Type: "Echo", Data: []byte(fmt.Sprint(i))})
		if err != nil || string(b) != fmt.Sprint(i) {
			t.Fatal(string(b), err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
}
