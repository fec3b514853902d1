// Server: a NATS server in this process, from its first service to its last

package embed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/outcome"
)

var _ clstr.Network = (*Server)(nil)

// ErrInUse: another server, in this process or another, has the folder. Give one Server
// to all services of a process, and connect other processes through [Options].Listen.
var ErrInUse = errors.New("the folder is in use")

// Options configures a server. Dir is required.
type Options struct {
	// Dir is the folder for the data of JetStream. It is made if it is not there. Only one
	// server at a time can use it: [ErrInUse].
	Dir string
	// Listen lets other processes connect at this address, "127.0.0.1:4222" for example.
	// Port 0 takes a free port, and [Server.URL] tells which. There are neither users nor TLS: a
	// process that reaches the address may do anything. Empty = this process only.
	Listen string
	// SyncAlways writes what is stored through to the disk before it is acknowledged. A power cut then
	// loses nothing that was answered, and each change takes as long as the disk does. Without it
	// the disk is synced every two minutes: a process that is killed loses nothing, and a machine that
	// loses power may lose the last two minutes.
	SyncAlways bool
}

// Dir returns a server that keeps its records in a folder.
func Dir(folder string) *Server { return New(Options{Dir: folder}) }

// New returns a server. It starts with the first [clstr.Open] that uses it. That Open also returns
// an error for a bad option.
func New(opts Options) *Server { return &Server{opts: opts} }

// Server is the [clstr.Network] of this process's own NATS server. Make one with [Dir] or
// [New]. Several calls of Open may use it.
type Server struct {
	opts Options

	mu    sync.Mutex // held while the server starts and ends
	users int
	nats  *server.Server  // nil without users
	lock  *os.File        // of the folder
	names map[string]bool // of nodes that this process has
}

// Join implements [clstr.Network]. A node without a name of its own gets the first that is free
// of embedded-1, embedded-2 and so on. Only one process has the folder, so a process that was killed
// and is started again has the names of before, and serves at once.
func (s *Server) Join(ctx context.Context, m clstr.Member) (clstr.Link, error) {
	srv, name, err := s.enter(m)
	if err != nil {
		return clstr.Link{}, err
	}
	m.Node = name
	link, err := clstr.NATS("nats://embedded", nats.InProcessServer(srv)).Join(ctx, m)
	if err != nil {
		s.leave(name)
		return clstr.Link{}, err
	}
	closeLink := link.Close
	link.Node = name
	link.Close = sync.OnceValue(func() error {
		defer s.leave(name)
		return closeLink()
	})
	return link, nil
}

// URL returns where other processes connect. It is empty while the server does not run, and if the
// server does not listen.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nats == nil || s.opts.Listen == "" {
		return ""
	}
	return s.nats.ClientURL()
}

// enter starts the server for its first user. It returns the name of the user's node, too.
func (s *Server) enter(m clstr.Member) (srv *server.Server, name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		if err := s.start(m); err != nil {
			return nil, "", err
		}
	}
	s.users++
	return s.nats, s.nameOf(m), nil
}

// nameOf notes the name of a member that has a node, and finds one if that was drawn. It is called
// with mu held.
func (s *Server) nameOf(m clstr.Member) string {
	if !m.Hosts {
		return m.Node
	}
	name := m.Node
	for n := 1; m.Drawn && (n == 1 || s.names[name]); n++ {
		name = "embedded-" + strconv.Itoa(n)
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
	return name
}

// leave ends the server after its last user. name is free from now on.
func (s *Server) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
	if s.users--; s.users > 0 {
		return
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	_ = s.lock.Close() // which unlocks it
	s.nats, s.lock = nil, nil
}

// readyWithin bounds the start of a server that has begun to listen.
const readyWithin = 10 * time.Second

// start is called with mu held.
func (s *Server) start(m clstr.Member) (err error) {
	opts, err := s.opts.server()
	if err != nil {
		return err
	}
	if err = os.MkdirAll(s.opts.Dir, 0o750); err != nil {
		return fmt.Errorf("embed: Dir: %w", err)
	}
	if s.lock, err = lockFile(filepath.Join(s.opts.Dir, "clstr.lock")); err != nil {
		return err
	}
	said := &said{log: boundedLog(m)}
	srv, err := server.NewServer(opts)
	if err == nil {
		srv.SetLoggerV2(said, false, false, false)
		srv.Start() // returns when it takes connections, or has said why it does not
		if err = said.why(); err == nil && !srv.ReadyForConnections(readyWithin) {
			err = errors.New("it takes no connections")
		}
		if err != nil {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
	}
	if err != nil {
		_ = s.lock.Close()
		return fmt.Errorf("embed: the NATS server on %s does not start: %w", s.opts.Dir, err)
	}
	s.nats = srv
	return nil
}

// server returns the options of nats-server.
func (o Options) server() (*server.Options, error) {
	if o.Dir == "" {
		return nil, outcome.Errorf(outcome.ErrBadOption, "embed: Dir is required: a folder for what the NATS server keeps")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, outcome.Errorf(outcome.ErrBadOption, "embed: Dir: %v", err)
	}
	opts := &server.Options{JetStream: true, StoreDir: dir, DontListen: o.Listen == "", NoSigs: true, SyncAlways: o.SyncAlways}
	if o.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, outcome.Errorf(outcome.ErrBadOption, "embed: Listen: %v: an address and a port, as in 127.0.0.1:4222", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, outcome.Errorf(outcome.ErrBadOption, "embed: Listen %q: the port is a number", o.Listen)
	}
	opts.Host, opts.Port = host, int(n)
	if n == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}
