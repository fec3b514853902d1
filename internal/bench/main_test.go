package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// The test binary is started again for each role.
const (
	roleEnv = "CLSTR_BENCH_ROLE"
	urlEnv  = "CLSTR_BENCH_URL"
	nameEnv = "CLSTR_BENCH_NAME"   // of a node
	listEnv = "CLSTR_BENCH_NODES"  // the nodes that share the shards by a fixed list
	onEnv   = "CLSTR_BENCH_PREFIX" // of the nodes' subjects

	shards  = 64
	rawEcho = "raw.echo"
	rawNote = "raw.note"
	done    = "bench.done"
	window  = 4096 // notifications between two signs of life
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "server":
		runServers(false, 1)
	case "one":
		runServers(true, 1)
	case "three":
		runServers(true, 3)
	case "node":
		exit(runNode(os.Getenv(urlEnv)))
	case "live":
		exit(runLive(os.Getenv(urlEnv)))
	default:
		os.Exit(m.Run())
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parentGone returns when the process that started this one closes its pipe.
func parentGone() { _, _ = io.Copy(io.Discard, os.Stdin) }

// runServers runs so many NATS servers, and prints where they are.
func runServers(jetStream bool, n int) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var routes, urls []string
	opts := make([]*server.Options, n)
	for i := range opts {
		name := "n" + strconv.Itoa(i)
		opts[i] = &server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			ServerName: name, JetStream: jetStream, StoreDir: filepath.Join(dir, name),
		}
		if n > 1 { // the servers must know where the others will be
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			opts[i].Cluster = server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
			routes = append(routes, "nats://"+l.Addr().String())
			_ = l.Close()
		}
	}
	for _, o := range opts {
		o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		s, err := server.NewServer(o)
		if err != nil {
			panic(err)
		}
		s.Start()
		if !s.ReadyForConnections(10 * time.Second) {
			panic("the server is not ready")
		}
		defer s.Shutdown()
		urls = append(urls, s.ClientURL())
	}
	fmt.Println(strings.Join(urls, ","))
	parentGone()
}

// runNode answers both ways: as a node of clstr, and as plain nats.go does.
func runNode(url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	tell := func(n int64) {
		if n%window == 0 {
			_ = nc.Publish(done, nil)
		}
	}
	var raw, notes atomic.Int64
	if _, err := nc.Subscribe(rawEcho, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return err
	}
	if _, err := nc.Subscribe(rawNote, func(*nats.Msg) { tell(raw.Add(1)) }); err != nil {
		return err
	}
	tr, err := natstransport.Open(context.Background(), natstransport.Options{
		URL: url, Prefix: os.Getenv(onEnv), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer tr.Close()
	name, list := os.Getenv(nameEnv), strings.Split(os.Getenv(listEnv), ",")
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: name, Transport: tr, NumShards: shards, Shards: cluster.ShardsForNode(name, list, shards, ""),
		Log: slog.New(slog.DiscardHandler),
		Handler: cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				if env.Type == "Note" {
					tell(notes.Add(1))
				}
				return env.Data, nil
			}, nil
		}),
		Kinds: map[string]cluster.ServerHandlerFunc{
			"typed": cluster.NewActorHandler(typedKind(func() { tell(notes.Add(1)) }).New),
		},
	})
	if err := nc.Flush(); err != nil {
		return err
	}
	return runUntilAlone(node)
}

// runUntilAlone runs a node, and says when it is ready.
func runUntilAlone(node *cluster.Node) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { parentGone(); cancel() }() // ends with the process
	go func() {                            // ends with the process
		<-node.Ready()
		fmt.Println("ready")
	}()
	return node.Run(ctx)
}

// start runs this binary in a role and returns its first line.
func start(b *testing.B, role, url string, env ...string) string {
	b.Helper()
	line, _ := launch(b, role, url, env...)
	return line
}

// launch is start, and returns what kills the process.
func launch(b *testing.B, role, url string, env ...string) (line string, kill func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), roleEnv+"="+role, urlEnv+"="+url)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	pid := cmd.Process.Pid
	processes[pid] = true
	ended := sync.OnceFunc(func() {
		delete(processes, pid)
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	b.Cleanup(ended)
	if line, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		b.Fatalf("%s: %v", role, err)
	}
	return strings.TrimSpace(line), func() { _ = cmd.Process.Kill(); ended() }
}
