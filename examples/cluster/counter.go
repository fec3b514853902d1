package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

const requestTimeout = 15 * time.Second // longer than a node's death takes to be noticed

// storeTimeout bounds each read and write of the bucket. What a server had received
// when it died is never answered: without a bound the key would wait for the 30 s that
// a hook or a handler has, closed to its callers, although another server leads after
// 4 to 9 s. Whether such a write was stored is not known; the next life reads it.
const storeTimeout = 2 * time.Second

// counter is what lives at a key: one of each in the cluster, one message at a time.
// Its value is kept in a bucket, and each write names the revision that was read or
// written last: the write fails if another node has written meanwhile.
type counter struct {
	values   jetstream.KeyValue
	value    int64
	revision uint64
}

type (
	Add   struct{ N int64 }
	Value struct{ N int64 }
)

func counters(values jetstream.KeyValue) *actor.Definition[counter] {
	return actor.Define("counter", func(string) *counter { return &counter{values: values} },
		actor.OnActivate((*counter).load), actor.OnRequest((*counter).Add), actor.PassivateAfter(10*time.Minute))
}

func openCounters(ctx context.Context, nc *nats.Conn) (jetstream.KeyValue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "counters"}) // or the one that is there
}

func (c *counter) load(ctx *actor.Context) error {
	soon, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e, err := c.values.Get(soon, token(ctx))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil
	case err != nil:
		return err
	}
	c.revision = e.Revision()
	c.value, err = strconv.ParseInt(string(e.Value()), 10, 64)
	return err
}

func (c *counter) Add(ctx *actor.Context, m Add) (Value, error) {
	soon, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	write := func() (uint64, error) {
		return c.values.Update(soon, token(ctx), strconv.AppendInt(nil, c.value+m.N, 10), c.revision)
	}
	revision, err := write()
	for underWay(err) && soon.Err() == nil {
		revision, err = write()
	}
	if err != nil {
		ctx.Passivate() // the next life reads what is there
		return Value{}, err
	}
	c.value, c.revision = c.value+m.N, revision
	return Value{c.value}, nil
}

// underWay says whether a bucket with replicas has refused a write because it is not done with the
// write before, although that has been answered. Nothing was stored: the write may be tried again.
func underWay(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && e.ErrorCode == 10164
}

// token is the key of a counter in its bucket: any bytes are a key here, not there.
func token(ctx *actor.Context) string { return base64.RawURLEncoding.EncodeToString([]byte(ctx.Key())) }

// add is the HTTP front: it asks the counter that the path names, on whichever node
// that lives.
func add(client *cluster.Client) http.HandlerFunc {
	counters := client.Kind("counter")
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		v, err := cluster.NewRequest[Add, Value](counters.Key(r.PathValue("key"))).Request(ctx, Add{1})
		switch o := cluster.OutcomeOf(err); {
		case err == nil:
			fmt.Fprintln(w, v.N)
		case o.NeverRan(): // safe to send again
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case o == cluster.MaybeRan:
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}
