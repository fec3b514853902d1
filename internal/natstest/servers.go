// Three servers that are replaced one by one

package natstest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Servers is a cluster of three servers whose ends are announced.
type Servers struct {
	// Subjects are known to a server that was started again before it counts as ready. nil = those that
	// clients of the other servers have subscribed to at that moment.
	Subjects []string

	t    testing.TB
	opts []*server.Options
	all  []*server.Server
	ends sync.WaitGroup
}

// StartServers starts three servers, with JetStream if stores is true, and returns when they
// have found each other.
func StartServers(t testing.TB, stores bool) *Servers {
	t.Helper()
	s := &Servers{t: t, all: make([]*server.Server, 3)}
	t.Cleanup(s.stop)
	var routes []string
	for i := range s.all {
		at, route := FreePort(t), FreePort(t)
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(route))
		opts := &server.Options{
			ServerName: "n" + strconv.Itoa(i), Host: "127.0.0.1", Port: at, NoLog: true, NoSigs: true,
			Cluster:          server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: route},
			LameDuckDuration: 3 * time.Minute, LameDuckGracePeriod: 2 * time.Minute,
		}
		if stores {
			opts.JetStream, opts.StoreDir = true, t.TempDir()
		}
		s.opts = append(s.opts, opts)
	}
	for i := range s.all {
		s.opts[i].Routes = server.RoutesFromStr(strings.Join(routes, ","))
		s.start(i)
	}
	for i := range s.all {
		s.awaitRoutes(i)
	}
	return s
}

// URL is where the i-th server is.
func (s *Servers) URL(i int) string { return "nats://127.0.0.1:" + strconv.Itoa(s.opts[i].Port) }

// URLs is where all are, the i-th first.
func (s *Servers) URLs(i int) string {
	return strings.Join([]string{s.URL(i), s.URL((i + 1) % 3), s.URL((i + 2) % 3)}, ",")
}

// Replace announces the end of the i-th server, waits until its clients have left it, ends it, and starts
// it again. It returns when the server is ready: it knows the others, the Subjects, and all of the streams.
func (s *Servers) Replace(ctx context.Context, i int, streams ...string) {
	s.t.Helper()
	old := s.all[i]
	s.ends.Go(old.LameDuckShutdown) // it ends with Shutdown
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for old.NumClients() > 0 {
		select {
		case <-again.C:
		case <-ctx.Done():
			s.t.Errorf("server %d: %d clients have not left it", i, old.NumClients())
			return
		}
	}
	old.Shutdown()
	old.WaitForShutdown()
	s.start(i)
	s.awaitRoutes(i)
	s.ready(ctx, i, streams)
}

// Ready returns when all servers know the Subjects.
func (s *Servers) Ready(ctx context.Context) {
	s.t.Helper()
	for i := range s.all {
		s.ready(ctx, i, nil)
	}
}

func (s *Servers) ready(ctx context.Context, i int, streams []string) {
	s.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !s.knows(i, streams) {
		select {
		case <-again.C:
		case <-ctx.Done():
			s.t.Errorf("server %d does not know all subjects, or does not have all of streams %s", i, streams)
			return
		}
	}
}

func (s *Servers) knows(i int, streams []string) bool {
	for _, stream := range streams {
		if !s.all[i].JetStreamIsStreamCurrent(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return false
		}
	}
	subjects := s.Subjects
	if subjects == nil {
		for j, other := range s.all {
			if j == i {
				continue
			}
			conns, err := other.Connz(&server.ConnzOptions{Subscriptions: true})
			if err != nil {
				s.t.Fatal(err)
			}
			for _, c := range conns.Conns {
				subjects = append(subjects, c.Subs...)
			}
		}
	}
	for _, subject := range subjects {
		if !s.all[i].GlobalAccount().SubscriptionInterest(subject) {
			return false
		}
	}
	return true
}

func (s *Servers) start(i int) {
	s.t.Helper()
	srv, err := server.NewServer(s.opts[i].Clone()) // which the server changes
	if err != nil {
		s.t.Fatal(err)
	}
	s.all[i] = srv
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		s.t.Fatalf("server %d takes no connections", i)
	}
}

// awaitRoutes returns when a server has found the others.
func (s *Servers) awaitRoutes(i int) {
	s.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for giveUp := time.After(30 * time.Second); ; {
		others := map[string]bool{}
		routes, err := s.all[i].Routez(nil)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range routes.Routes {
			others[r.RemoteName] = true
		}
		if len(others) == 2 {
			return
		}
		select {
		case <-again.C:
		case <-giveUp:
			s.t.Fatalf("server %d has found %d others", i, len(others))
		}
	}
}

func (s *Servers) stop() {
	for _, srv := range s.all {
		if srv != nil {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
	}
	s.ends.Wait()
}
