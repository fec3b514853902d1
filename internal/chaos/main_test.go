package chaos

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

var long = flag.Bool("long", false, "default timing, and each nemesis three times")

// The test binary is started again for each role.
const (
	nodeRole    = "node"
	durableRole = "durable"

	roleEnv = "CLSTR_CHAOS_ROLE"
	nameEnv = "CLSTR_CHAOS_NAME"
	urlEnv  = "CLSTR_CHAOS_URL"
	dirEnv  = "CLSTR_CHAOS_DIR"
	peerEnv = "CLSTR_CHAOS_PEERS" // of a cluster of servers: where this one listens, what it tells others of that, and all routes
	longEnv = "CLSTR_CHAOS_LONG"

	stateEnv = "CLSTR_CHAOS_STATE" // a durable node's way to the store of state
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "server":
		err = runServer()
	case nodeRole:
		err = runNode()
	case durableRole:
		err = runDurable()
	default:
		flag.Parse()
		if err = flag.Set("test.parallel", fmt.Sprint(max(3, runtime.GOMAXPROCS(0)))); err == nil { // they wait, most of the time
			os.Exit(m.Run())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(roleEnv), os.Getenv(nameEnv)+":", err)
		os.Exit(1)
	}
}

// orphaned returns when the process that started this one has gone.
func orphaned() { _, _ = io.Copy(io.Discard, os.Stdin) }

// runServer is a NATS server with its streams in a directory.
func runServer() error {
	var port int
	if _, err := fmt.Sscanf(os.Getenv(urlEnv), "nats://127.0.0.1:%d", &port); err != nil {
		return err
	}
	opts := &server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv(dirEnv), NoLog: true, NoSigs: true,
	}
	if peers := os.Getenv(peerEnv); peers != "" {
		routes := server.RoutesFromStr(peers)
		opts.ServerName, opts.Routes = os.Getenv(nameEnv), routes[2:]
		opts.Cluster = server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Advertise: routes[1].Host}
		if _, err := fmt.Sscanf(routes[0].Host, "127.0.0.1:%d", &opts.Cluster.Port); err != nil {
			return err
		}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("not ready on port %d", port)
	}
	fmt.Println("ready")
	orphaned()
	s.Shutdown()
	return nil
}

// process is one that plays a role.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	name  string
	ready chan error // has one value when it was ready or has ended before
	ended chan error
	stdin io.Closer
}

func start(t *testing.T, role, name, url, dir string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), roleEnv+"="+role, nameEnv+"="+name, urlEnv+"="+url, dirEnv+"="+dir, fmt.Sprint(longEnv, "=", *long))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, name: name, ready: make(chan error, 1), ended: make(chan error, 1), stdin: stdin}
	go func() { // ends with the process
		out := bufio.NewReader(stdout)
		line, err := out.ReadString('\n')
		if err == nil && strings.TrimSpace(line) != "ready" {
			err = fmt.Errorf("said %q", line)
		}
		p.ready <- err
		_, _ = io.Copy(io.Discard, out)
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	select {
	case err := <-p.ready:
		if err != nil {
			p.t.Fatalf("%s: %v", p.name, err)
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("%s: not ready within a minute", p.name)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("%s: %v: %v", p.name, s, err)
	}
}

// kill ends it without a word, and returns when it has gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop asks it to end, as an orchestrator does, and returns when it has.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("%s ended with %v", p.name, err)
		}
	case <-time.After(time.Minute):
		p.t.Errorf("%s: has not ended within a minute of SIGTERM", p.name)
		p.kill()
	}
}
