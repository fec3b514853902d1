package natstransport_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between clients and a server, and can stop to take what clients
// send, as a network does that hangs: the connection stays, and its window closes.
type proxy struct {
	ln     net.Listener
	server string
	ended  sync.WaitGroup

	mu    sync.Mutex
	gates []chan struct{} // closed while they are open; the last is that of new connections
	conns []net.Conn
}

// startProxy starts a proxy that ends with the test.
func startProxy(t testing.TB, url string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, server: strings.TrimPrefix(url, "nats://")}
	p.newGate()
	p.ended.Go(p.accept) // ends when the listener does
	t.Cleanup(func() {
		_ = ln.Close()
		p.thaw()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.ended.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.ln.Addr().String() }

// freeze stops the reading of what clients send on the connections that there
// are; new ones are served.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, g := range p.gates {
		if isOpen(g) {
			p.gates[i] = make(chan struct{})
		}
	}
	p.newGate()
}

// thaw goes on with what was frozen.
func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gates {
		if !isOpen(g) {
			close(g)
		}
	}
}

func (p *proxy) newGate() {
	g := make(chan struct{})
	close(g)
	p.gates = append(p.gates, g)
}

func isOpen(gate chan struct{}) bool {
	select {
	case <-gate:
		return true
	default:
		return false
	}
}

// pass returns when connections with the given gate may be read.
func (p *proxy) pass(gate int) {
	p.mu.Lock()
	g := p.gates[gate]
	p.mu.Unlock()
	<-g
}

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close() // the server is down
			continue
		}
		_ = client.(*net.TCPConn).SetReadBuffer(16 << 10)
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		gate := len(p.gates) - 1
		p.mu.Unlock()
		p.ended.Go(func() { p.forward(server, client, func() { p.pass(gate) }) }) // these end when either end does
		p.ended.Go(func() { p.forward(client, server, func() {}) })
	}
}

func (p *proxy) forward(to, from net.Conn, pass func()) {
	defer func() { _ = errors.Join(to.Close(), from.Close()) }()
	b := make([]byte, 16<<10)
	for {
		pass()
		n, err := from.Read(b)
		if err != nil {
			return
		}
		pass()
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
