package natsdial

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// pair returns both ends of a connection; the first is direct.
func pair(t *testing.T) (direct, plain net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &dialer{timeout: time.Minute}
	if direct, err = d.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	for {
		if plain, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = plain.Close() })
		if plain.RemoteAddr().String() == direct.LocalAddr().String() { // and not one that was looking for a server that has gone
			break
		}
	}
	t.Cleanup(func() { _ = direct.Close() })
	return direct, plain
}

// TestDirectCarriesAll: what is written comes, in both directions at once, in pieces of all sizes, and more than the socket takes.
func TestDirectCarriesAll(t *testing.T) {
	direct, plain := pair(t)
	sent := make([]byte, 4<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	ended := make(chan error, 2)
	send := func(to net.Conn) {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(300<<10))
			if wrote, err := to.Write(rest[:n]); err != nil || wrote != n {
				ended <- errors.Join(err, io.ErrShortWrite)
				return
			}
			rest = rest[n:]
		}
		ended <- nil
	}
	go send(direct) // ends when all is sent
	go send(plain)  // the same
	for _, from := range []net.Conn{direct, plain} {
		came := make([]byte, len(sent))
		if _, err := io.ReadFull(from, came); err != nil || !bytes.Equal(came, sent) {
			t.Errorf("%T: %v; all came as it was sent: %t", from, err, bytes.Equal(came, sent))
		}
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n, err := direct.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	if n, err := direct.Write(nil); n != 0 || err != nil {
		t.Errorf("writing nothing: %d, %v", n, err)
	}
}

// TestDirectEnds: errors are those of package net.
func TestDirectEnds(t *testing.T) {
	opErr := func(t *testing.T, op string, err, is error) {
		t.Helper()
		e, ok := errors.AsType[*net.OpError](err)
		if !ok || e.Op != op || e.Net != "tcp" || e.Addr == nil || !errors.Is(err, is) {
			t.Errorf("%#v, want a %s that is %v", err, op, is)
		}
	}
	t.Run("the other end closes", func(t *testing.T) {
		direct, plain := pair(t)
		_ = plain.Close()
		if n, err := direct.Read(make([]byte, 9)); n != 0 || err != io.EOF {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("the other end resets", func(t *testing.T) {
		direct, plain := pair(t)
		_ = plain.(*net.TCPConn).SetLinger(0)
		_ = plain.Close()
		_, err := direct.Read(make([]byte, 9))
		opErr(t, "read", err, syscall.ECONNRESET)
		_, err = direct.Write(make([]byte, 9))
		opErr(t, "write", err, syscall.EPIPE)
	})
	t.Run("closed while it is read", func(t *testing.T) {
		direct, _ := pair(t)
		read := make(chan error)
		go func() { // ends with the connection
			_, err := direct.Read(make([]byte, 9))
			read <- err
		}()
		_ = direct.Close()
		opErr(t, "read", <-read, net.ErrClosed)
		_, err := direct.Write(make([]byte, 9))
		opErr(t, "write", err, net.ErrClosed)
	})
	t.Run("out of time", func(t *testing.T) {
		direct, plain := pair(t)
		_ = direct.SetReadDeadline(time.Now())
		_, err := direct.Read(make([]byte, 9))
		opErr(t, "read", err, os.ErrDeadlineExceeded)
		_ = direct.SetWriteDeadline(time.Now())
		_, err = direct.Write(make([]byte, 9))
		opErr(t, "write", err, os.ErrDeadlineExceeded)

		_ = direct.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := direct.Write(make([]byte, 64<<20)) // more than the sockets hold
		opErr(t, "write", err, os.ErrDeadlineExceeded)
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		_ = direct.Close()
		if came, err := io.Copy(io.Discard, plain); err != nil || came != int64(n) {
			t.Errorf("%d bytes came, %v; %d were said to be written", came, err, n)
		}
	})
}

// TestWatch: of the calls within 10 ms the first is told to the scheduler, and a timer wakes the runtime's monitor after it.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w watch
		for range 3 {
			if w.on() {
				t.Error("the first call is not told")
			}
			for range 3 {
				if !w.on() {
					t.Error("a call within 10 ms is told")
				}
				time.Sleep(watchTime / 4)
			}
			time.Sleep(watchTime / 2)
			synctest.Wait()
		}
	})
}

// TestDirectly: only connections whose options do not say how to dial are direct.
func TestDirectly(t *testing.T) {
	yes := true
	for name, o := range map[string]nats.Options{
		"a dialer of its user":     {Dialer: &net.Dialer{}},
		"a custom dialer":          {CustomDialer: &net.Dialer{}},
		"a server in this process": {InProcessServer: inProcess{}},
		"multipath TCP":            {AllowMultipathTCP: &yes},
	} {
		before := o.CustomDialer
		if err := directly(&o); err != nil || o.CustomDialer != before || o.SkipHostLookup {
			t.Errorf("%s: %v, %v", name, err, o.CustomDialer)
		}
	}
	o := nats.Options{NoRandomize: true}
	if err := directly(&o); err != nil || !o.SkipHostLookup {
		t.Error(err)
	}
	if d, ok := o.CustomDialer.(*dialer); !ok || *d != (dialer{timeout: nats.DefaultTimeout, inOrder: true}) {
		t.Errorf("%+v", o.CustomDialer)
	}
}

type inProcess struct{}

func (inProcess) InProcessConn() (net.Conn, error) { return nil, errors.ErrUnsupported }

// TestAddresses: names are looked up as nats.go does it.
func TestAddresses(t *testing.T) {
	found, err := net.LookupHost("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if all := (&dialer{}).addresses("localhost:4222"); len(all) != len(found) || net.ParseIP(hostOf(all[0])) == nil {
		t.Errorf("%v, want the addresses %v", all, found)
	}
	for _, as := range []struct {
		address string
		d       dialer
	}{{"localhost:4222", dialer{asGiven: true}}, {"127.0.0.1:4222", dialer{}}, {"[::1]:4222", dialer{}}, {"", dialer{}}, {"no port", dialer{}}} {
		if all := as.d.addresses(as.address); len(all) != 1 || all[0] != as.address {
			t.Errorf("%q: %q", as.address, all)
		}
	}
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}
