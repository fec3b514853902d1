package cluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const (
	secretPayload = "s3cret-payload"
	secretHeader  = "s3cret-header"
)

// fragile fails in the way that the message's type says.
func fragile(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	switch env.Type {
	case "panic":
		panic("boom")
	case "index":
		var none []byte
		return none[len(env.Data):], nil
	case "nil":
		var none map[string]int
		maps.Copy(none, map[string]int{"x": 1})
	case "goexit":
		panic(nil)
	case "fail":
		return nil, errors.New("failed")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []byte("not what was asked for: " + secretPayload), nil
}

type secretive struct{ Text string }

func (s secretive) MessageType() string { return "typed" }

type protoActor struct{}

func (protoActor) Receive(c pactor.Context) {
	if m, ok := c.Message().(*actor.Message); ok {
		_, err := fragile(context.Background(), cluster.Envelope{Type: m.Type, Data: m.Data})
		if err != nil {
			c.Respond(err)
		}
	}
}

// TestNoPayloadInErrorsAndLogs takes every way to fail, and searches what
// callers and the log get. What a panic or an error of the application says is
// the application's.
func TestNoPayloadInErrorsAndLogs(t *testing.T) {
	var logged logBuffer
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	old := slog.Default()
	slog.SetDefault(log)
	t.Cleanup(func() { slog.SetDefault(old) })

	entity := actor.Define("entity", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, c *actor.Context, m secretive) (string, error) { panic("boom") }),
		actor.OnNotify(func(*struct{}, *actor.Context, touch) error { return errors.New("failed") }),
		actor.OnActivate(func(_ *struct{}, c *actor.Context) error {
			switch c.Key() {
			case "bad":
				return errors.New("cannot load")
			case "worse":
				panic("boom")
			}
			return nil
		}),
	)
	plain := func(string) (cluster.ServerHandlerFunc, error) { return fragile, nil }
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{HandlerTimeout: 10 * time.Millisecond}).WithLog(log)
	stop := startNode(t, cluster.NodeOptions{
		NodeID: "n", Transport: tr, NumShards: 2, Shards: []uint32{0, 1}, Log: log, Handler: fragile,
		Kinds: map[string]cluster.ServerHandlerFunc{
			"keyed":   cluster.NewKeyHandler(plain),
			"entity":  cluster.NewActorHandlerWithOpts(entity.New, cluster.HandlerOptions{MailboxSize: 1}),
			"proto":   cluster.NewActorHandler(func(string) (actor.Actor, error) { return protoActor{}, nil }),
			"wrapped": wrapped(cluster.NewKeyHandler(plain)),
		},
	})
	client := newClient(t, cluster.ClientOptions{
		Transport: tr, NumShards: 2, EnvelopeOptions: []cluster.EnvelopeOption{cluster.WithHeader("token", secretHeader)},
	})
	ctx := t.Context()
	var failures []error
	failed := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		failures = append(failures, err)
	}
	body := secretive{secretPayload}
	for _, kind := range []string{"", "keyed", "wrapped", "proto"} {
		for _, msgType := range []string{"panic", "index", "nil", "goexit", "fail", "hang"} {
			if kind == "proto" && msgType == "hang" {
				continue
			}
			failed(errOf(client.Kind(kind).Key("k").Request(ctx, secretAs{msgType, secretPayload})))
			if msgType == "hang" {
				continue // its end is its own business
			}
			if err := client.Kind(kind).Key("k").Notify(ctx, secretAs{msgType, secretPayload}); err != nil {
				failed(err)
			}
		}
	}
	e := client.Kind("entity")
	failed(errOf(e.Key("k").Request(ctx, body)))
	failed(errOf(e.Key("k").Request(ctx, secretAs{"unknown", secretPayload})))
	failed(errOf(e.Key("k").Request(ctx, renamed("typed")))) // a JSON string, not an object
	failed(errOf(e.Key("bad").Request(ctx, body)))
	failed(errOf(e.Key("worse").Request(ctx, body)))
	if err := e.Key("k").Notify(ctx, touch{}); err != nil {
		failed(err)
	}
	_, err := cluster.NewRequest[secretive, userResponse](client.Key("k")).Request(ctx, body)
	failed(err)
	failed(errOf(client.Kind("nobody").Key("k").Request(ctx, body)))
	failed(errOf(client.Key("").Request(ctx, body)))
	failed(errOf(client.Shard(9).Request(ctx, body)))
	failed(errOf(client.Key("k").Request(ctx, body, cluster.WithHeader("x-clstr-a", secretHeader))))
	failed(errOf(client.Key("k").Request(ctx, body, cluster.WithHeader("big", strings.Repeat(secretHeader, 6000)))))
	failed(errOf(client.Key("k").Request(ctx, secretAs{"hang", secretPayload}, cluster.WithTTL(time.Millisecond))))
	failed(errOf(client.Key("k").Request(ctx, unmarshalable{Text: secretPayload})))
	other := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 2, Seed: "other"})
	failed(errOf(other.Key("k").Request(ctx, body, cluster.WithHeader("token", secretHeader))))
	stop()
	failed(errOf(client.Key("k").Request(ctx, body)))
	_ = tr.Close()
	failed(errOf(client.Key("k").Request(ctx, body)))

	for _, err := range failures {
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		if detail, jerr := json.Marshal(err); jerr == nil {
			text += string(detail)
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("an error has the payload or a header: %s", text)
		}
	}
	if strings.Contains(logged.String(), "s3cret") {
		t.Errorf("the log has the payload or a header: %s", logged.String())
	}
	if n := strings.Count(logged.String(), "panicked"); n < 6 { // five of handlers, by the bound of the log, and one of an activation
		t.Errorf("the log tells of %d panics:\n%s", n, logged.String())
	}
}

// secretAs is a secret under any name.
type secretAs struct{ name, Text string }

func (s secretAs) MessageType() string { return s.name }

type unmarshalable struct {
	Text string
	C    chan int
}

func wrapped(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc {
	return func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return h(ctx, env) }
}
