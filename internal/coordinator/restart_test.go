package coordinator

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/process"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// ended is a process on this machine that has ended.
func ended(t *testing.T) record.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	p := process.Self()
	return record.Process{Host: p.Host, PID: cmd.Process.Pid, Start: p.Start}
}

// TestRestartInPlace: a node that is started anew on its machine takes its shards over at once, if
// the process before it has ended. If that process cannot be seen to have ended, the node waits for
// its lease.
func TestRestartInPlace(t *testing.T) {
	gone, self := ended(t), process.Self()
	elsewhere := gone
	elsewhere.Host = "another machine"
	for name, c := range map[string]struct {
		was    record.Process
		atOnce bool
	}{
		"it has ended":    {gone, gone.Host != ""}, // not Linux: nothing is known
		"it runs":         {self, false},
		"another machine": {elsewhere, false},
		"nothing known":   {record.Process{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				cl.timing = membership.Timing{Lease: time.Minute}
				b := cl.start("b")
				time.Sleep(time.Minute)
				was := record.Ref{Name: "a", Incarnation: "0"}
				cl.put(record.MemberKey(was), record.Member{State: record.Active, Counter: 9, LeaseMs: 60_000, Process: c.was})
				a := cl.start("a")
				time.Sleep(time.Second)
				m := cl.read(record.MemberKey(was))
				if took := m.State == record.Dead && m.By.Name == "a"; took != c.atOnce {
					t.Errorf("the record of the process before says %+v", m)
				}
				time.Sleep(2 * time.Minute)
				cl.wantOwners("a", "b")
				if n := cl.settled.Load(); n != 2 {
					t.Errorf("%d nodes have settled, want 2", n)
				}
				end(a, b)
			})
		})
	}
}

// TestOwnProcessIsInTheRecord: the next process must know which this one is.
func TestOwnProcessIsInTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		entries, _, err := cl.store.Snapshot(context.Background(), record.MemberPrefix)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d members, %v", len(entries), err)
		}
		if m := cl.read(entries[0].Key); m.Process != process.Self() || m.Process.PID != os.Getpid() {
			t.Errorf("the record says process %+v, this is %+v", m.Process, process.Self())
		}
		end(a)
	})
}

func (cl *cluster) put(key string, m record.Member) {
	cl.t.Helper()
	if _, err := cl.store.Write(context.Background(), key, 0, record.Encode(m)); err != nil {
		cl.t.Fatal(err)
	}
}

func (cl *cluster) read(key string) record.Member {
	cl.t.Helper()
	e, err := cl.store.Read(context.Background(), key)
	if err != nil {
		cl.t.Fatal(err)
	}
	m, err := record.Decode[record.Member](e.Value)
	if err != nil {
		cl.t.Fatal(err)
	}
	return m
}
