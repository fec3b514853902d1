// Servers with JetStream, one or three

package natstest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/testkit"
)

// Serve starts a server with JetStream.
func Serve(t testing.TB, opts server.Options) *testkit.NATSServer {
	t.Helper()
	opts.JetStream, opts.StoreDir = true, t.TempDir()
	return testkit.StartNATSServer(t, &opts)
}

// ServeThree starts a cluster of servers with JetStream and returns its URLs.
func ServeThree(t testing.TB) string {
	t.Helper()
	var ports []int
	var routes []string
	for range 3 { // the servers must know where the others will be
		port := FreePort(t)
		ports = append(ports, port)
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(port))
	}
	var urls []string
	for i, port := range ports {
		s := Serve(t, server.Options{
			ServerName: "n" + strconv.Itoa(i),
			Cluster:    server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: port},
			Routes:     server.RoutesFromStr(strings.Join(routes, ",")),
		})
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Alone starts a server that the test can ask, with the options given. It ends with the test.
func Alone(t testing.TB, opts server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	srv, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server takes no connections")
	}
	return srv
}
