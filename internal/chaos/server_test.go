package chaos

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// password is that of each user; the user of a node's calls has the node's name.
	password = "p"
	// deafen is what a server is told before the name of a node that may hear no requests any more. No
	// name: all nodes may.
	deafen = "deafen"
	// lameDuck has a server announce its end, and end a while later.
	lameDuck = "lame duck"
)

// runServer is a NATS server with its streams in a directory. It does what its stdin says, until that ends.
func runServer() error {
	opts, err := serverOptions("")
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.SetLogger(fatal{}, false, false)
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(startsWithin) {
		return fmt.Errorf("not ready at %s within %v", os.Getenv(urlEnv), startsWithin)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("ready") {
		if lines.Text() == lameDuck {
			s.LameDuckShutdown()
			return nil
		}
		word, name, _ := strings.Cut(lines.Text(), " ")
		if word != deafen {
			return fmt.Errorf("told %q", lines.Text())
		}
		if opts, err = serverOptions(name); err == nil {
			err = s.ReloadOptions(opts)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startsWithin is less than others wait for a process. A busy machine takes long.
const startsWithin = 50 * time.Second

// fatal is a log of what keeps a server from starting.
type fatal struct{}

func (fatal) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, os.Getenv(nameEnv)+": "+format+"\n", args...)
}

func (fatal) Noticef(string, ...any) {}
func (fatal) Warnf(string, ...any)   {}
func (fatal) Errorf(string, ...any)  {}
func (fatal) Debugf(string, ...any)  {}
func (fatal) Tracef(string, ...any)  {}

// serverOptions are those of a server under which a node is deaf, or none.
func serverOptions(deaf string) (*server.Options, error) {
	var port int
	if _, err := fmt.Sscanf(os.Getenv(urlEnv), "nats://127.0.0.1:%d", &port); err != nil {
		return nil, err
	}
	opts := &server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv(dirEnv), NoLog: true, NoSigs: true,
		LameDuckGracePeriod: 3 * time.Second, LameDuckDuration: 4 * time.Second,
		Users: []*server.User{{Username: "other", Password: password}}, NoAuthUser: "other",
	}
	for i := range nodes {
		u := &server.User{Username: nodeName(i), Password: password}
		hears := []string{"_INBOX.>", "clstr.who", "clstr.own", "clstr.n.*.*"}
		if u.Username == deaf {
			hears = slices.Delete(hears, 3, 4)
		}
		u.Permissions = &server.Permissions{Subscribe: &server.SubjectPermission{Allow: hears}}
		opts.Users = append(opts.Users, u)
	}
	if peers := os.Getenv(peerEnv); peers != "" {
		routes := server.RoutesFromStr(peers)
		opts.ServerName, opts.Routes = os.Getenv(nameEnv), routes[2:]
		opts.Cluster = server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Advertise: routes[1].Host}
		if _, err := fmt.Sscanf(routes[0].Host, "127.0.0.1:%d", &opts.Cluster.Port); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

func nodeName(i int) string { return fmt.Sprint("node-", i) }
