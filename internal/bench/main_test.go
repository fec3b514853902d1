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
		if err := runNode(os.Getenv(urlEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
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
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer tr.Close()
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "node", Transport: tr, NumShards: shards, Shards: cluster.ShardsForNode("node", []string{"node"}, shards, ""),
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
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends below
	<-node.Ready()
	if err := nc.Flush(); err != nil {
		cancel()
		return err
	}
	fmt.Println("ready")
	parentGone()
	cancel()
	return <-ended
}

// start runs this binary in a role and returns its first line.
func start(b *testing.B, role, url string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, urlEnv+"="+url)
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
	b.Cleanup(func() {
		delete(processes, pid)
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatalf("%s: %v", role, err)
	}
	return strings.TrimSpace(line)
}
