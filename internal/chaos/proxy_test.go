package chaos

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy is the network between a node and the server.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	cut   bool
}

func startProxy(t *testing.T, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(url, "nats://"), conns: map[net.Conn]struct{}{}}
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
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	p.mu.Unlock()
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
