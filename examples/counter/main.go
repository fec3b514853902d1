// Command counter is a service in one process (../cluster is one in many): counters by
// name behind HTTP. At the end it answers what it has taken, and saves each counter.
//
//	go run ./examples/counter
//	curl -d n=3 localhost:8080/counters/visits   # {"Value":3}
//	curl localhost:8080/counters/visits
//	curl localhost:8080/metrics                  # Prometheus
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
)

type Counter struct{ value int64 } // the entity: one per key, one message at a time
type Add struct{ N int64 }         // a request to it; to add nothing is to read
type Value struct{ Value int64 }   // the reply

func (c *Counter) Add(_ *actor.Context, m Add) (Value, error) {
	c.value += m.N
	return Value{c.value}, nil
}

var database sync.Map // stands for one: key -> int64

func (c *Counter) load(ctx *actor.Context) error {
	saved, _ := database.Load(ctx.Key())
	c.value, _ = saved.(int64) // 0 for a new one
	return nil
}

func (c *Counter) save(ctx *actor.Context) error {
	database.Store(ctx.Key(), c.value)
	return nil
}

var counters = actor.Define("counter", func(string) *Counter { return &Counter{} }, actor.OnRequest((*Counter).Add),
	actor.OnActivate((*Counter).load), actor.OnPassivate((*Counter).save), actor.PassivateAfter(time.Minute))

// answer asks the counter that the path names.
func answer(w http.ResponseWriter, r *http.Request, svc *clstr.Service) {
	n, err := strconv.ParseInt(r.PostFormValue("n"), 10, 64)
	if err != nil && r.Method != http.MethodGet {
		http.Error(w, "n: an integer of 64 bits", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second) // it travels to the counter
	defer cancel()
	v, err := clstr.Ask[Value](ctx, svc.Key(counters, r.PathValue("key")), Add{n})
	if err == nil {
		_ = json.NewEncoder(w).Encode(v) // the caller has gone
		return
	}
	status := http.StatusInternalServerError // it may have run, has failed, or cannot be: look before you add again
	if cluster.OutcomeOf(err) == cluster.NotStarted {
		status = http.StatusServiceUnavailable // overloaded, draining: come again
	}
	http.Error(w, fmt.Sprintf("%v (%s, %v)", err, cluster.CodeOf(err), cluster.OutcomeOf(err)), status)
}

// run serves until ctx ends.
func run(ctx context.Context, listener net.Listener) (err error) {
	registry := prometheus.NewRegistry()
	svc, err := clstr.Open(ctx, clstr.Options{
		Name: "counters", On: clstr.Memory(), Entities: clstr.Host(counters), Metrics: prommetrics.NewClusterMetrics(registry),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, svc.Close(context.WithoutCancel(ctx))) }() // after the front has ended
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /readyz", svc.HealthHandler())
	mux.HandleFunc("/counters/{key}", func(w http.ResponseWriter, r *http.Request) { answer(w, r, svc) })
	server, drained := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}, make(chan error, 1)
	context.AfterFunc(ctx, func() { drained <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err == nil {
		log.Println("counters are at http://" + listener.Addr().String() + "/counters/NAME")
		err = run(ctx, listener)
	}
	if err != nil {
		log.Fatalln("counter:", err)
	}
}
