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

	sureEnv = "CLSTR_CHAOS_SURE" // no server dies, so each write is answered

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

// process is one that plays a role.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	name  string
	ready chan error // has a value each time that it was ready, and an error if it has ended before
	ended chan error
	stdin io.Writer
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
	p := &process{t: t, cmd: cmd, name: name, ready: make(chan error, 8), ended: make(chan error, 1), stdin: stdin}
	go func() { // ends with the process
		out := bufio.NewReader(stdout)
		for err := error(nil); err == nil; {
			var line string
			if line, err = out.ReadString('\n'); err == nil && strings.TrimSpace(line) != "ready" {
				err = fmt.Errorf("said %q", line)
			}
			select {
			case p.ready <- err:
			default: // nobody waits for it
			}
		}
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

// tell has a server do something, and returns when that is done.
func (p *process) tell(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	p.awaitReady()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("%s: %v: %v", p.name, s, err)
	}
}

// still has it stand still, or go on.
func (p *process) still(on bool) {
	p.t.Helper()
	if on {
		p.signal(syscall.SIGSTOP)
	} else {
		p.signal(syscall.SIGCONT)
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
