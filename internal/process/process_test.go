package process

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// TestMain is also the child, which lives until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_CHILD") != "" {
		_, _ = os.Stdout.WriteString("up\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// child starts a process and returns its identity.
func child(t *testing.T) (*exec.Cmd, record.Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_CHILD=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd, of(cmd.Process.Pid)
}

// TestEnded: a process has ended only after it has, and what cannot be known is not proven.
func TestEnded(t *testing.T) {
	cmd, p := child(t)
	if runtime.GOOS != "linux" {
		if p = (record.Process{Host: "h", PID: cmd.Process.Pid, Start: 1}); Self() != (record.Process{}) || Ended(p) {
			t.Errorf("this process is %+v, and the child has ended", Self())
		}
		return
	}
	if p.Host == "" || p.Start == 0 || p.PID != cmd.Process.Pid || !Self().Near(p) {
		t.Fatalf("the child is %+v, this process %+v", p, Self())
	}
	reused := p
	reused.Start--
	for name, c := range map[string]struct {
		p    record.Process
		want bool
	}{
		"this process":                          {Self(), false},
		"a process that runs":                   {p, false},
		"its ID, used by a later process":       {reused, true},
		"nothing is known":                      {record.Process{}, false},
		"no host":                               {record.Process{PID: reused.PID, Start: reused.Start}, false},
		"no process ID":                         {record.Process{Host: p.Host, Start: 1}, false},
		"all processes, to a signal":            {record.Process{Host: p.Host, PID: -1, Start: 1}, false},
		"another boot":                          {record.Process{Host: "x" + p.Host, PID: reused.PID, Start: reused.Start}, false},
		"another container":                     {record.Process{Host: p.Host + "x", PID: reused.PID, Start: reused.Start}, false},
		"the same boot, without its containers": {record.Process{Host: strings.Fields(p.Host)[0], PID: reused.PID, Start: reused.Start}, false},
	} {
		if got := Ended(c.p); got != c.want {
			t.Errorf("%s: ended is %v, want %v (%+v)", name, got, c.want, c.p)
		}
	}
	_ = cmd.Process.Kill()
	for deadline := time.Now().Add(time.Minute); !Ended(p); { // a zombie: nobody has waited for it
		if time.Now().After(deadline) {
			t.Fatal("a killed process whose parent has not taken note has not ended")
		}
	}
	_ = cmd.Wait()
	if !Ended(p) {
		t.Error("a process that is gone has not ended")
	}
}

// TestZombie: a process whose first thread has ended runs on if others do.
func TestZombie(t *testing.T) {
	for s, want := range map[status]bool{
		{state: "S", threads: 8}: false,
		{state: "Z", threads: 3}: false,
		{state: "Z", threads: 1}: true,
		{state: "X", threads: 0}: true,
		{state: "D", threads: 1}: false,
	} {
		if s.zombie() != want {
			t.Errorf("%+v: %v", s, !want)
		}
	}
}

// TestStatus: what is read of this process makes sense.
func TestStatus(t *testing.T) {
	s, err := statusOf(os.Getpid())
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Errorf("this process is %+v", s)
		}
		return
	}
	if err != nil || s.start == 0 || s.threads == 0 || s.zombie() {
		t.Errorf("this process is %+v, %v", s, err)
	}
	if _, err := statusOf(1 << 30); err == nil {
		t.Error("a process that cannot be has a state")
	}
}
