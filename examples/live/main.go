// Command live shows a poll on a page that changes as others vote: the page's process watches
// the state of an entity, wherever the entity lives, and sends it to the browser as events.
//
//	go run ./examples/live                # http://127.0.0.1:8080
//	go run ./examples/live -http 127.0.0.1:8081 -nats nats://127.0.0.1:4222
//
// The first has a NATS server in it, which the second uses. Kill the second, and the page of the
// first goes on. Kill the first and start it again: its page is there again by itself, with
// all votes.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/embed"
)

// Poll is the entity. What it exports is stored before a vote is answered.
type Poll struct{ Tea, Coffee int }

type Vote struct{ For string }

func (p *Poll) Vote(_ *actor.Context, m Vote) (Poll, error) {
	switch m.For {
	case "tea":
		p.Tea++
	case "coffee":
		p.Coffee++
	default:
		return Poll{}, fmt.Errorf("nobody drinks %.20q", m.For)
	}
	return *p, nil
}

var polls = actor.Define("poll", func(string) *Poll { return &Poll{} },
	actor.Durable(actor.Persistence{}), actor.OnRequest((*Poll).Vote))

//go:embed page.html
var page []byte

// events sends the poll's state as it is now, and each newer one, until the browser leaves.
func events(w http.ResponseWriter, r *http.Request, poll *cluster.ScopedClient) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1000\n\n") // a browser that is cut off comes again after a second
	for change, err := range clstr.Watch[Poll](r.Context(), poll) {
		if err != nil {
			log.Println("events:", err)
			continue
		}
		data, err := json.Marshal(change.State) // nobody has voted: zeros
		if err != nil {
			return
		}
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", change.Rev, data)
		if http.NewResponseController(w).Flush() != nil {
			return // the browser has left
		}
	}
}

func vote(w http.ResponseWriter, r *http.Request, poll *cluster.ScopedClient) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second) // longer than a death takes to be noticed
	defer cancel()
	if _, err := clstr.Ask[Poll](ctx, poll, Vote{r.PathValue("for")}, cluster.Once()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// run serves until ctx or the node ends.
func run(ctx context.Context, listener net.Listener, opts clstr.Options) (err error) {
	opts.Name, opts.Entities = "live", clstr.Host(polls)
	svc, err := clstr.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, svc.Close(context.WithoutCancel(ctx))) }() // after the front has ended
	var ends sync.WaitGroup
	defer ends.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ends.Go(func() { // a drained node ends the process, so that it is started anew; ends with ctx
		select {
		case <-svc.Node().Ended():
			stop()
		case <-ctx.Done():
		}
	})
	poll := svc.Key(polls, "tea-or-coffee")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { events(w, r, poll) })
	mux.HandleFunc("POST /votes/{for}", func(w http.ResponseWriter, r *http.Request) { vote(w, r, poll) })
	// The events end with ctx, so that Shutdown does not wait for them.
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	drained := make(chan error, 1)
	context.AfterFunc(ctx, func() { drained <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}

func main() {
	address := flag.String("http", "127.0.0.1:8080", "where to listen")
	url := flag.String("nats", "", "a NATS server with JetStream; empty = one in this process, at 127.0.0.1:4222")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var on clstr.Network = embed.New(embed.Options{Dir: "live-data", Listen: "127.0.0.1:4222"})
	if *url != "" {
		on = clstr.NATS(*url)
	}
	listener, err := net.Listen("tcp", *address)
	if err == nil {
		log.Println("the poll is at http://" + listener.Addr().String())
		err = run(ctx, listener, clstr.Options{On: on})
	}
	if err != nil {
		log.Fatalln("live:", err)
	}
}
