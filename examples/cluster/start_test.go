package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// SIGTERM before there is a node is no failure, whether a server answers or not.
func TestLeavesWhileItStarts(t *testing.T) {
	for what, url := range map[string]string{"a server": startNATS(t), "none": "nats://127.0.0.1:1"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(ctx, []string{"-nats", url, "-http", "127.0.0.1:0", "-control", "control:secret-of-CONTROL"}); err != nil {
			t.Errorf("with %s: %v", what, err)
		}
	}
}

// While no server is there the node lives and is not ready, and says why; it is ready
// again by itself.
func TestReadinessInAnOutage(t *testing.T) {
	server := startServer(t)
	n := start(t, server.URL(), "node-1")
	await(t, "the node is ready", func() bool { return n.ready(t) })
	server.Stop()
	await(t, "the node is not ready", func() bool {
		status, body, err := call("GET", n.url+"/readyz")
		if err != nil {
			t.Fatal(err)
		}
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"data_path_dead"`)
	})
	await(t, "the gauge says so", func() bool { return owned(n) == 0 })
	if status, body, err := call("GET", n.url+"/livez"); status != http.StatusOK || err != nil {
		t.Errorf("liveness: %d %s, %v", status, body, err)
	}
	server.Restart()
	await(t, "the node is ready again", func() bool {
		status, _, err := call("GET", n.url+"/readyz")
		return err == nil && status == http.StatusOK && owned(n) == 256
	})
}
