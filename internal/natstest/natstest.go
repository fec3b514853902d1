// Servers with JetStream, one or three

package natstest

import (
	"strconv"
	"strings"
	"testing"

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
