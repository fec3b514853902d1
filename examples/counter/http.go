package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// timeout is the deadline of a request; it travels to the counter.
const timeout = 5 * time.Second

func routes(mux *http.ServeMux, client *cluster.Client) {
	mux.HandleFunc("POST /counters/{key}/add", func(w http.ResponseWriter, r *http.Request) {
		n := int64(1)
		if text := r.FormValue("n"); text != "" {
			var err error
			if n, err = strconv.ParseInt(text, 10, 64); err != nil {
				answer(w, http.StatusBadRequest, map[string]any{"error": fmt.Sprintf("n=%.40q: an integer of 64 bits", text)})
				return
			}
		}
		ask(w, r, client, Add{n})
	})
	mux.HandleFunc("GET /counters/{key}", func(w http.ResponseWriter, r *http.Request) {
		ask(w, r, client, Get{})
	})
}

// ask sends a message to the counter that the path names.
func ask[In any](w http.ResponseWriter, r *http.Request, client *cluster.Client, in In) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	key := r.PathValue("key")
	v, err := cluster.NewRequest[In, Value](client.Key(key)).Request(ctx, in)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"key": key, "value": v.Value})
}

// refuse says what is known: whether the work was done, and when to come again.
func refuse(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusServiceUnavailable {
		pause, _ := cluster.RetryAfter(err)
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(pause.Seconds())))))
	}
	answer(w, status, map[string]any{
		"error": err.Error(), "code": cluster.CodeOf(err), "outcome": cluster.OutcomeOf(err).String(),
	})
}

// statusOf maps what is the caller's own doing by identity, and all else by
// outcome: what never ran may be sent again, what may have run must be looked
// into first.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrOverflow):
		return http.StatusConflict
	case errors.Is(err, cluster.ErrBadEnvelope), errors.Is(err, cluster.ErrKeyRequired), errors.Is(err, cluster.ErrTooLarge):
		return http.StatusBadRequest
	}
	switch cluster.OutcomeOf(err) {
	case cluster.NotSent, cluster.NotStarted: // overloaded, draining, no owner, not connected
		return http.StatusServiceUnavailable
	case cluster.MaybeRan: // out of time, connection lost, panicked
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone
}
