// Network: what stands between a client and a server, and can hold or swallow what passes

package natstest

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// Network is the way to a server.
type Network struct {
	ln     net.Listener
	server string
	ended  sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	swallows map[net.Conn]struct{} // of those, from which nothing comes any more
	goesOn   chan struct{}         // closed when what is held goes on; nil while nothing is held
}

// StartNetwork starts a way to the server at a URL. It ends with the test.
func StartNetwork(t testing.TB, url string) *Network {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{ln: ln, server: strings.TrimPrefix(url, "nats://"), conns: map[net.Conn]struct{}{}, swallows: map[net.Conn]struct{}{}}
	n.ended.Go(n.accept) // ends when the listener does
	t.Cleanup(func() {
		_ = ln.Close()
		n.Release()
		n.mu.Lock()
		for c := range n.conns {
			_ = c.Close()
		}
		n.mu.Unlock()
		n.ended.Wait()
	})
	return n
}

// URL is where clients connect to.
func (n *Network) URL() string { return "nats://" + n.ln.Addr().String() }

// Swallow lets nothing through any more on the connections that there are, in both directions, and
// takes what is sent on them all the same: a network that has forgotten them. New connections work.
func (n *Network) Swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		n.swallows[c] = struct{}{}
	}
}

// Hold keeps all that passes, in both directions, until Release, and loses nothing: a client that stands still.
func (n *Network) Hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.goesOn == nil {
		n.goesOn = make(chan struct{})
	}
}

// Release lets what is held go on.
func (n *Network) Release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.goesOn != nil {
		close(n.goesOn)
		n.goesOn = nil
	}
}

func (n *Network) accept() {
	for {
		client, err := n.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.server)
		if err != nil {
			_ = client.Close() // the server is down
			continue
		}
		n.mu.Lock()
		n.conns[client], n.conns[server] = struct{}{}, struct{}{}
		n.mu.Unlock()
		n.ended.Go(func() { n.forward(server, client) }) // these end when either end does
		n.ended.Go(func() { n.forward(client, server) })
	}
}

func (n *Network) forward(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		size, err := from.Read(b)
		n.mu.Lock()
		held := n.goesOn
		n.mu.Unlock()
		if held != nil {
			<-held
		}
		n.mu.Lock()
		_, swallowed := n.swallows[from]
		n.mu.Unlock()
		if err == nil && !swallowed {
			_, err = to.Write(b[:size])
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range []net.Conn{to, from} {
		delete(n.conns, c)
		delete(n.swallows, c)
	}
}
