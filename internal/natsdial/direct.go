// Connections whose reads and writes do not wake the runtime's monitor

//go:build linux && !race

package natsdial

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// direct is a TCP connection that does not tell Go's scheduler of most of its system calls
// (docs/decisions/0053-reads-that-wake-no-monitor.md). The socket never blocks, so the scheduler has nothing to do meanwhile. But if
// the process has just been idle, a call that it is told of wakes the runtime's monitor, a thread.
type direct struct {
	*net.TCPConn
	raw    syscall.RawConn
	watch  watch // when the scheduler is told
	reads  half
	writes half
}

// newDirect returns c as a direct connection.
func newDirect(c *net.TCPConn) (net.Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &direct{TCPConn: c, raw: raw}
	d.reads.call, d.writes.call = d.read, d.write
	return d, nil
}

// half is one direction of a connection.
type half struct {
	call func(fd uintptr) bool // one system call or more; false: the socket is not ready

	mu   sync.Mutex
	data []byte
	n    int
	err  error
}

// mostDirect is how many bytes one system call reads or writes at most. The collector cannot stop a goroutine while the kernel
// copies them.
const mostDirect = 64 << 10

// Read implements [net.Conn].
func (d *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.reads.run(d.raw.Read, p)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return n, d.describe("read", err)
}

// Write implements [net.Conn].
func (d *direct) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.writes.run(d.raw.Write, p)
	return n, d.describe("write", err)
}

// run runs the half's calls when the socket is ready for them.
func (h *half) run(ready func(func(uintptr) bool) error, p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data, h.n, h.err = p, 0, nil
	err = ready(h.call)
	if err == nil {
		err = h.err
	}
	h.data = nil
	return h.n, err
}

// describe makes the error that a connection of package net returns.
func (d *direct) describe(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: d.LocalAddr(), Addr: d.RemoteAddr(), Err: err}
}

func (d *direct) read(fd uintptr) bool {
	p := d.reads.data
	n, errno := d.system(syscall.SYS_READ, fd, p[:min(len(p), mostDirect)])
	if errno == syscall.EAGAIN {
		return false
	}
	if errno != 0 {
		d.reads.err = errno
		return true
	}
	d.reads.n = n
	return true
}

func (d *direct) write(fd uintptr) bool {
	h := &d.writes
	for h.n < len(h.data) {
		n, errno := d.system(syscall.SYS_WRITE, fd, h.data[h.n:min(len(h.data), h.n+mostDirect)])
		if errno == syscall.EAGAIN {
			return false
		}
		if errno != 0 {
			h.err = errno
			return true
		}
		h.n += n
	}
	return true
}

// system makes a system call, and again if a signal has ended it.
func (d *direct) system(trap, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if d.watch.on() {
			n, _, errno = syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		} else {
			n, _, errno = syscall.Syscall(trap, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		}
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}
