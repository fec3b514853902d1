// The bank in a process of its own, and its end

package tellers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// Timing has a short lease: a bank that is started anew waits until the lease of the killed one
// has ended. Zero is what a service wants.
var Timing = membership.Timing{Lease: 3 * time.Second, Settle: 500 * time.Millisecond, Residency: time.Second}

const (
	command = "serve"   // the argument of the bank's process
	serving = "serving" // its line when it serves
)

// process is the bank's.
type process struct {
	dir, address string
	cmd          *exec.Cmd
}

// newProcess chooses where the bank's server listens.
func newProcess(dir string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &process{dir: dir, address: l.Addr().String()}, l.Close()
}

// start returns when the bank serves.
func (p *process) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, command, p.dir, p.address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the bank's process: %w", err)
	}
	p.cmd = cmd
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != serving {
		p.kill()
		return fmt.Errorf("the bank's process does not serve: %q, %w", line, errors.Join(err, ctx.Err()))
	}
	return nil
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it says "killed"
	p.cmd = nil
}
