package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
)

const roleEnv = "EXAMPLE_CLUSTER_NODE"

// The test binary is started again for each node: then it is the program.
func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// startNATS starts a server with nats.conf, but for where it listens and keeps its
// files.
func startNATS(t *testing.T) (url string) { return startServer(t).URL() }

func startServer(t *testing.T) *testkit.NATSServer {
	t.Helper()
	for _, user := range []string{"CONTROL", "DATA", "STATE", "WEB"} {
		t.Setenv(user+"_PASSWORD", "secret-of-"+user)
	}
	opts, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	return testkit.StartNATSServer(t, opts)
}

// process is a node that runs.
type process struct {
	cmd   *exec.Cmd
	url   string
	left  atomic.Bool // it has said that it is not ready
	ended chan error
	log   strings.Builder // what it has said; to be read after ended
}

func start(t *testing.T, natsURL, name string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-http", "127.0.0.1:0", "-linger", "1s"), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), roleEnv+"=1", "CLSTR_NAME="+name, "CLSTR_NATS="+natsURL)
	for _, user := range []string{"CONTROL", "DATA", "STATE"} {
		p.cmd.Env = append(p.cmd.Env, "CLSTR_"+user+"="+strings.ToLower(user)+":"+os.Getenv(user+"_PASSWORD"))
	}
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	address := make(chan string, 1)
	go func() { // ends with the process
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var line struct{ Msg, Address string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				fmt.Fprintf(&p.log, "not JSON: ")
			}
			fmt.Fprintln(&p.log, lines.Text())
			if line.Msg == "listens" {
				address <- line.Address
			}
		}
		p.ended <- p.cmd.Wait()
	}()
	select {
	case a := <-address:
		p.url = "http://" + a
	case err := <-p.ended:
		t.Fatalf("%s ended at its start: %v\n%s", name, err, &p.log)
	case <-time.After(time.Minute):
		t.Fatalf("%s does not listen", name)
	}
	return p
}

func call(method, url string) (status int, body string, err error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(b)), err
}

// ready is what a balancer asks.
func (p *process) ready(t *testing.T) bool {
	status, body, err := call("GET", p.url+"/readyz")
	var h struct {
		Serving bool
		Why     cluster.HealthReason
	}
	err = errors.Join(err, json.Unmarshal([]byte(body), &h))
	if status == http.StatusServiceUnavailable && (h.Why == cluster.NodeDraining || h.Why == cluster.NodeEnded) {
		p.left.Store(true)
	} else if err != nil || h.Serving != (status == http.StatusOK) || !h.Serving && h.Why != cluster.NodeJoining {
		t.Errorf("%s: readiness: %d %s, %v", p.url, status, body, err)
	}
	return status == http.StatusOK
}

// load asks counters at whichever node is ready, and counts what was answered.
type load struct {
	answered [20]atomic.Int64 // by counter
	total    atomic.Int64
}

func (l *load) run(t *testing.T, nodes []*process, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		n := nodes[i%len(nodes)]
		if n.left.Load() || !n.ready(t) {
			continue
		}
		counter := i % len(l.answered)
		status, body, err := call("POST", fmt.Sprint(n.url, "/counters/c", counter))
		if err != nil || status != http.StatusOK {
			t.Errorf("a request failed: %d %s, %v", status, body, err)
			return
		}
		l.answered[counter].Add(1)
		l.total.Add(1)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	giveUp := time.After(time.Minute)
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-giveUp:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// owned is how many shards the process says that it serves.
func owned(n *process) float64 {
	_, metrics, _ := call("GET", n.url+"/metrics")
	_, after, _ := strings.Cut(metrics, "clstr_cluster_shards_owned{")
	_, after, _ = strings.Cut(after, "} ")
	value, _, _ := strings.Cut(after, "\n")
	shards, _ := strconv.ParseFloat(value, 64)
	return shards
}

// drain does what an operator's clstr drain does.
func drain(t *testing.T, natsURL, name string) {
	t.Helper()
	store, err := natsstore.Open(t.Context(), natsstore.Options{URL: natsURL, NATSOptions: (settings{}).as("control:secret-of-CONTROL")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	await(t, "the node is asked to leave", func() bool { // again where it renews its lease meanwhile
		members, _, err := store.Snapshot(t.Context(), record.MemberPrefix+name+".")
		if err != nil || len(members) != 1 {
			t.Fatalf("%d records, %v", len(members), err)
		}
		m, err := record.Decode[record.Member](members[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		m.State = record.Leaving
		value, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Write(t.Context(), members[0].Key, members[0].Rev, value)
		return err == nil
	})
}

// Three processes are one cluster. One of them leaves under load, asked by a signal,
// and then one asked by an operator: no request fails, and no count is lost. The fronts
// go on until their balancers have seen it.
func TestLeavesUnderLoad(t *testing.T) {
	natsURL := startNATS(t)
	var nodes []*process
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		nodes = append(nodes, start(t, natsURL, name))
	}
	for _, n := range nodes {
		await(t, "a node is ready", func() bool { return n.ready(t) })
		if status, _, err := call("GET", n.url+"/livez"); status != http.StatusOK || err != nil {
			t.Errorf("health: %d, %v", status, err)
		}
	}
	var l load
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 8 {
		all.Go(func() { l.run(t, nodes, done) })
	}
	stop := sync.OnceFunc(func() { close(done); all.Wait() })
	defer stop()
	more := func() {
		t.Helper()
		from := l.total.Load()
		await(t, "200 more answers", func() bool { return t.Failed() || l.total.Load() >= from+200 })
	}
	more()
	for i, leave := range []func(){
		func() { _ = nodes[0].cmd.Process.Signal(syscall.SIGTERM) },
		func() { drain(t, natsURL, "node-2") },
	} {
		leave()
		select {
		case err := <-nodes[i].ended:
			if err != nil {
				t.Errorf("the node that was to leave ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("has not ended within a minute")
		}
		if !nodes[i].left.Load() {
			t.Error("nobody has seen that it was not ready")
		}
		more()
	}
	stop()
	last := nodes[2]
	for i := range l.answered {
		_, body, err := call("POST", fmt.Sprint(last.url, "/counters/c", i))
		if n, _ := strconv.ParseInt(body, 10, 64); n != l.answered[i].Load()+1 || err != nil {
			t.Errorf("counter %d is at %s, %v; %d requests were answered", i, body, err, l.answered[i].Load())
		}
	}
	await(t, "the one that is left serves all shards", func() bool { return owned(last) == 256 })
	if err := ask(t.Context(), last.url+"/readyz"); err != nil {
		t.Errorf("the health check: %v", err)
	}
	if err := ask(t.Context(), last.url+"/counters/x"); err == nil {
		t.Error("the health check takes any answer")
	}
	_ = last.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-last.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, n := range nodes {
		for _, bad := range []string{"not JSON", "ermission", "WARN", "ERROR", "secret-of"} {
			if strings.Contains(n.log.String(), bad) {
				t.Errorf("%q in the log:\n%s", bad, &n.log)
			}
		}
	}
}

// What cannot work is said.
func TestBadSettings(t *testing.T) {
	natsURL := startNATS(t)
	for _, test := range []struct{ args, env, want string }{
		{"-shards many", "", "-shards"},
		{"", "CLSTR_SHARDS", `CLSTR_SHARDS cannot be "bad"`},
		{"-nats " + natsURL + " -control control:wrong", "", "Authorization"},
		{"-nats " + natsURL + " -control data:secret-of-DATA", "", "Permissions Violation"},
	} {
		t.Run(test.args+test.env, func(t *testing.T) {
			if test.env != "" {
				t.Setenv(test.env, "bad")
			}
			err := run(t.Context(), strings.Fields(test.args))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret-of") {
				t.Errorf("got %v", err)
			}
		})
	}
}
