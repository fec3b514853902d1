package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/testkit"
)

// patience bounds every wait; a test that passes never uses it up.
const patience = 60 * time.Second

// TestMain is a process of the service, where a test has started it as one.
func TestMain(m *testing.M) {
	if os.Getenv("LIVE_NATS") == "" {
		os.Exit(m.Run())
	}
	listener, err := net.Listen("tcp", os.Getenv("LIVE_HTTP"))
	if err == nil {
		err = run(context.Background(), listener, clstr.Options{
			On:   clstr.NATS(os.Getenv("LIVE_NATS")),
			Node: cluster.NodeOptions{Timing: testkit.LiveTiming},
		})
	}
	panic(err) // until it is killed, it serves
}

// process is one process of the service.
type process struct {
	t       *testing.T
	address string
	nats    string
	cmd     *exec.Cmd
}

// startNATS starts a server with JetStream.
func startNATS(t *testing.T) (url string) {
	return testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
}

func start(t *testing.T, nats string) *process {
	t.Helper()
	p := &process{t: t, address: fmt.Sprint("127.0.0.1:", natstest.FreePort(t)), nats: nats}
	p.start()
	t.Cleanup(p.kill)
	return p
}

// start returns when the process answers.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "LIVE_NATS="+p.nats, "LIVE_HTTP="+p.address)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for begin := time.Now(); ; {
		res, err := http.Get(p.url())
		if err == nil {
			_ = res.Body.Close()
			return
		}
		if time.Since(begin) > patience {
			p.t.Fatalf("the process does not answer: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// kill is a death: nothing is handed over.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // which says that it was killed
}

func (p *process) url() string { return "http://" + p.address + "/" }

func (p *process) vote(what string) {
	p.t.Helper()
	res, err := http.Post(p.url()+"votes/"+what, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		p.t.Fatalf("a vote for %s: %s", what, res.Status)
	}
}

// TestEvents: a reader of events is told of all votes, and survives the death of the process that
// has taken them.
func TestEvents(t *testing.T) {
	nats := startNATS(t)
	a, b := start(t, nats), start(t, nats)
	res, err := http.Get(a.url() + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasSuffix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the events end without %s: %v", want, lines.Err())
	}
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %s", got)
	}
	until(`{"Tea":0,"Coffee":0}`)
	b.vote("tea")
	until(`{"Tea":1,"Coffee":0}`)
	b.kill()
	a.vote("coffee") // waits until a has taken over, if the poll was b's
	until(`{"Tea":1,"Coffee":1}`)
	if res, err := http.Post(a.url()+"votes/milk", "", nil); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a vote for milk: %v, %v", res, err)
	}
}
