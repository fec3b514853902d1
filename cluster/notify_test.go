package cluster_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// TestNotifyDoesNotWaitForTheHandler, nor does it learn how that fared.
func TestNotifyDoesNotWaitForTheHandler(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{}, 8)
	slow := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		<-release
		if env.Type == "Panic" {
			defer func() { ended <- struct{}{} }()
			panic("boom")
		}
		ended <- struct{}{}
		return nil, errors.New("failed")
	}
	for name, h := range map[string]cluster.ServerHandlerFunc{
		"plain": slow,
		"keyed": cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return slow, nil }),
		"wrapped": func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc {
			return func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return h(ctx, env) }
		}(cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return slow, nil })),
	} {
		release = make(chan struct{})
		client := serve(t, h)
		ctx, gone := context.WithCancel(t.Context())
		for what, err := range map[string]error{
			"NotifyKey": client.NotifyKey(ctx, "k", "Touch", nil),
			"Notify":    client.Key("k").Notify(ctx, touch{}),
			"panic":     client.NotifyKey(ctx, "k", "Panic", nil),
			"no ack":    client.Key("k").Notify(ctx, touch{}, cluster.WithoutAck()),
		} {
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		gone() // a notification outlives its sender
		close(release)
		for range 4 {
			<-ended
		}
	}
}

// TestOrderOfOneSender: requests, notifications with and without an ack, one
// after the other, are handled in that order.
func TestOrderOfOneSender(t *testing.T) {
	var seen []string // only the key's turn touches it
	client := serve(t, cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
		return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			seen = append(seen, string(env.Data))
			return []byte(strconv.Itoa(len(seen))), nil
		}, nil
	}))
	const n = 600
	for i := range n {
		data := []byte(strconv.Itoa(i))
		var err error
		switch i % 3 {
		case 0:
			_, err = client.RequestKey(t.Context(), "k", "Add", data)
		case 1:
			err = client.NotifyKey(t.Context(), "k", "Add", data)
		default:
			err = client.NotifyKey(t.Context(), "k", "Add", data, cluster.WithoutAck())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	count, err := client.RequestKey(t.Context(), "k", "Add", []byte("last"))
	if err != nil || string(count) != strconv.Itoa(n+1) {
		t.Fatalf("%s were handled, %v", count, err)
	}
	for i, s := range seen[:n] {
		if s != strconv.Itoa(i) {
			t.Fatalf("message %s was handled as number %d", s, i)
		}
	}
}
