package handlers_test

import (
	"context"
	"fmt"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// A func for each key, which keeps the key's state in its closure. A handler is
// a bare func: a node serves it, and a unit test can call it.
func ExampleNewKeyHandler() {
	h := handlers.NewKeyHandler(func(key string) (transport.HandlerFunc, error) {
		seen := 0 // no lock: one message of a key at a time
		return func(_ context.Context, env transport.Envelope) ([]byte, error) {
			seen++
			return fmt.Appendf(nil, "%s of %s, message %d", env.Type, key, seen), nil
		}, nil
	})
	for _, key := range []string{"user-1", "user-2", "user-1"} {
		reply, err := h(context.Background(), transport.Envelope{Type: "Get", Key: key})
		fmt.Println(string(reply), err)
	}
	// Output:
	// Get of user-1, message 1 <nil>
	// Get of user-2, message 1 <nil>
	// Get of user-1, message 2 <nil>
}

// The key is found in the envelope, where the client's is another or none.
func ExampleNewScopedHandler() {
	h := handlers.NewScopedHandler(handlers.ScopedOptions{
		Extract: func(env transport.Envelope) (string, error) {
			tenant, ok := env.GetHeader("tenant")
			if !ok {
				return "", fmt.Errorf("no tenant")
			}
			return tenant, nil
		},
		Create: func(tenant string) (transport.HandlerFunc, error) {
			return func(context.Context, transport.Envelope) ([]byte, error) { return []byte("for " + tenant), nil }, nil
		},
		CacheSize: 100,
	})
	reply, err := h(context.Background(), transport.Envelope{Type: "Get", Headers: map[string]string{"tenant": "acme"}})
	fmt.Println(string(reply), err)
	_, err = h(context.Background(), transport.Envelope{Type: "Get"})
	fmt.Println(err)
	// Output:
	// for acme <nil>
	// no tenant
}

type Basket struct{ items []string }

type Put struct{ Item string }

func (b *Basket) Put(c *actor.Context, m Put) ([]string, error) {
	b.items = append(b.items, m.Item)
	return b.items, nil
}

func ExampleNewActorHandler() {
	baskets := actor.Define("basket", func(string) *Basket { return &Basket{} }, actor.OnRequest((*Basket).Put))
	h := handlers.NewActorHandler(baskets.New)
	for _, item := range []string{"apple", "pear"} {
		reply, err := h(context.Background(), transport.Envelope{Type: "Put", Key: "basket-1", Data: fmt.Appendf(nil, `{"Item":%q}`, item)})
		fmt.Println(string(reply), err)
	}
	_, err := h(context.Background(), transport.Envelope{Type: "Take", Key: "basket-1"})
	fmt.Println(err, "-", outcome.Of(err))
	// Output:
	// ["apple"] <nil>
	// ["apple","pear"] <nil>
	// unknown message type: "Take"; the entity has "Put" - not started
}

// An Around is a func around each message of a handler: here it refuses who has no token,
// and tells what was asked.
func ExampleAround() {
	rights := func(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
		if token, _ := in.Header("token"); token != "letmein" {
			return fmt.Errorf("no entry to %s", in.Key())
		}
		return next(ctx)
	}
	told := func(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
		err := next(ctx)
		reply, _ := in.Reply()
		fmt.Printf("%s %s: %s %v\n", in.Type(), in.Key(), reply, err)
		return err
	}
	h := handlers.NewScopedHandler(handlers.ScopedOptions{
		Around:  handlers.Chain(told, rights),
		Extract: func(env transport.Envelope) (string, error) { return env.Key, nil },
		Create: func(key string) (transport.HandlerFunc, error) {
			return func(context.Context, transport.Envelope) ([]byte, error) { return []byte("secret of " + key), nil }, nil
		},
	})
	for _, token := range []string{"guess", "letmein"} {
		env := transport.Envelope{Type: "Get", Key: "user-1", Headers: map[string]string{"token": token}}
		_, err := h(context.Background(), env)
		fmt.Println(outcome.Of(err))
	}
	// Output:
	// Get user-1:  no entry to user-1
	// ran and failed
	// Get user-1: secret of user-1 <nil>
	// succeeded
}
