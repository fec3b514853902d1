// Self and Ended: /proc, and a signal that is not sent

package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/clstr-go/clstr/internal/record"
)

// Self returns the identity of this process, or the zero value if the system does not tell.
func Self() record.Process { return of(os.Getpid()) }

// of returns the identity of a process that this one can see.
func of(pid int) record.Process {
	host := host()
	s, err := statusOf(pid)
	if host == "" || err != nil {
		return record.Process{}
	}
	return record.Process{Host: host, PID: pid, Start: s.start}
}

// host names this boot and this space of process IDs. It is empty if one of them is not known, or
// if /proc is that of another space.
func host() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err1 := os.Readlink("/proc/self/ns/pid")
	self, err2 := os.Readlink("/proc/self")
	id := strings.TrimSpace(string(boot))
	if errors.Join(err, err1, err2) != nil || id == "" || space == "" || self != strconv.Itoa(os.Getpid()) {
		return ""
	}
	return id + " " + space
}

// Ended reports whether a process has surely ended: no thread of it runs code any more. It is
// false for a process that this one cannot see, and for the zero value.
func Ended(p record.Process) bool {
	if p.PID <= 0 || p.Host == "" || p.Host != host() {
		return false
	}
	if !there(p.PID) {
		return true
	}
	s, err := statusOf(p.PID)
	return err == nil && (s.start != p.Start || s.zombie())
}

// there reports whether a process may have an ID. It asks with a signal that is not sent, because
// /proc may hide the processes of other users.
func there(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true // nothing is known
	}
	defer func() { _ = p.Release() }()
	return !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// status is what /proc tells of a process.
type status struct {
	state   string
	threads int
	start   uint64 // in clock ticks since the boot
}

// zombie reports whether all threads have ended, and only the parent has not taken note.
func (s status) zombie() bool { return (s.state == "Z" || s.state == "X") && s.threads <= 1 }

var errStatus = errors.New("/proc/PID/stat has another form")

func statusOf(pid int) (s status, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	text := string(b) // "pid (name) state ...": the name may have spaces and brackets
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return s, errStatus
	}
	threads, err := strconv.Atoi(fields[17])
	start, err1 := strconv.ParseUint(fields[19], 10, 64)
	return status{state: fields[0], threads: threads, start: start}, errors.Join(err, err1)
}
