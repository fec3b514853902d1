package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// Counter is the entity: one per key, one message at a time.
type Counter struct{ value int64 }

// Add is the request, and Value the reply. To add nothing is to read.
type Add struct{ N int64 }

type Value struct {
	Value int64 `json:"value"`
}

func (c *Counter) Add(_ *actor.Context, m Add) (Value, error) {
	c.value += m.N
	return Value{c.value}, nil
}

// database stands for one: key -> int64. It is this process's, so that a counter
// begins anew where the process does.
var database sync.Map

func (c *Counter) load(ctx *actor.Context) error {
	if v, ok := database.Load(ctx.Key()); ok {
		c.value = v.(int64)
	}
	return nil
}

func (c *Counter) save(ctx *actor.Context) error {
	database.Store(ctx.Key(), c.value)
	return nil
}

var counters = actor.Define("counter", func(string) *Counter { return &Counter{} },
	actor.OnRequest((*Counter).Add),
	actor.OnActivate((*Counter).load),
	actor.OnPassivate((*Counter).save),
	actor.PassivateAfter(time.Minute),
)

// routes is the HTTP front: it asks the counter that the path names.
func routes(mux *http.ServeMux, client *cluster.Client) {
	ask := func(w http.ResponseWriter, r *http.Request, n int64) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second) // it travels to the counter
		defer cancel()
		v, err := cluster.NewRequest[Add, Value](client.Key(r.PathValue("key"))).Request(ctx, Add{n})
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the caller has gone
	}
	mux.HandleFunc("GET /counters/{key}", func(w http.ResponseWriter, r *http.Request) { ask(w, r, 0) })
	mux.HandleFunc("POST /counters/{key}/add", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(cmp.Or(r.FormValue("n"), "1"), 10, 64)
		if err != nil {
			http.Error(w, "n: an integer of 64 bits", http.StatusBadRequest)
			return
		}
		ask(w, r, n)
	})
}

// refuse says what is known: whether the counter was asked, and what to do.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch outcome := cluster.OutcomeOf(err); {
	case errors.Is(err, cluster.ErrBadEnvelope): // a key that is too long
		status = http.StatusBadRequest
	case outcome.NeverRan(): // overloaded, draining, no owner, not connected: come again
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	case outcome == cluster.MaybeRan: // out of time, connection lost: look before you add again
		status = http.StatusGatewayTimeout
	}
	http.Error(w, fmt.Sprintf("%s (%s): %v", cluster.OutcomeOf(err), cluster.CodeOf(err), err), status)
}
