package chaos

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is the network between a node and the server, or between two servers.
type proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration // of all that goes through

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	cut    bool
	forgot map[net.Conn]bool // connections that nothing comes from any more
}

func startProxy(t *testing.T, url string, delay time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(url, "nats://"), delay: delay, conns: map[net.Conn]struct{}{}, forgot: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); p.setCut(true) })
	go p.accept() // ends with the listener
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		if p.cut {
			_, _ = near.Close(), far.Close()
		} else {
			p.conns[near], p.conns[far] = struct{}{}, struct{}{}
			go p.pipe(near, far) // both end with their connections
			go p.pipe(far, near)
		}
		p.mu.Unlock()
	}
}

func (p *proxy) pipe(to, from net.Conn) {
	if p.delay > 0 {
		p.slowly(to, from)
	} else {
		_, _ = io.Copy(to, remembered{from, p})
	}
	_, _ = to.Close(), from.Close()
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	delete(p.forgot, to)
	delete(p.forgot, from)
	p.mu.Unlock()
}

// remembered is a connection as long as the network knows it.
type remembered struct {
	net.Conn
	p *proxy
}

// Read reads on from a connection that was forgotten, and gives nothing of it on.
func (r remembered) Read(b []byte) (n int, err error) {
	for {
		n, err = r.Conn.Read(b)
		r.p.mu.Lock()
		forgot := r.p.forgot[r.Conn]
		r.p.mu.Unlock()
		if err != nil || !forgot {
			return n, err
		}
	}
}

// forget swallows what comes on the connections that there are, in both directions, and tells nobody. New
// ones are let through.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.forgot[c] = true
	}
}

// slowly copies what comes, each part a while after it has come, until one of the
// connections ends.
func (p *proxy) slowly(to, from net.Conn) {
	type part struct {
		data []byte
		due  time.Time
	}
	parts := make(chan part, 1024)
	go func() { // ends with from
		defer close(parts)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				parts <- part{b[:n], time.Now().Add(p.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	var failed error
	for next := range parts { // to its end: what reads must not wait for us
		if failed != nil {
			continue
		}
		<-time.After(time.Until(next.due))
		if _, failed = to.Write(next.data); failed != nil {
			_ = from.Close()
		}
	}
}

// setCut ends all connections and lets no new ones through, or does again.
func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}
