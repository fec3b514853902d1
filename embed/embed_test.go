package embed_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/testkit"
)

type (
	Counter struct{ value int64 }
	Add     struct{ N int64 }
	Value   struct{ Value int64 }
)

func (c *Counter) Add(_ *actor.Context, m Add) (Value, error) {
	c.value += m.N
	return Value{c.value}, nil
}

var counters = actor.Define("counter", func(string) *Counter { return &Counter{} }, actor.OnRequest((*Counter).Add))

var quiet = slog.New(slog.DiscardHandler)

func options(on clstr.Network) clstr.Options {
	return clstr.Options{Name: "counters", On: on, Entities: clstr.Host(counters), Shards: 8, Log: quiet, Node: cluster.NodeOptions{Timing: timing()}}
}

func open(t *testing.T, on clstr.Network) *clstr.Service {
	t.Helper()
	svc, err := clstr.Open(t.Context(), options(on))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := svc.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return svc
}

func add(t *testing.T, svc *clstr.Service, key string, want int64) {
	t.Helper()
	if v, err := clstr.Ask[Value](t.Context(), svc.Key(counters, key), Add{1}); err != nil || v.Value != want {
		t.Errorf("%s: %v, %v; want %d", key, v, err, want)
	}
}

// TestSeveralOpens share the server, which ends with the last of them and keeps what it
// was given: the next one in the folder finds it, as a new value or as the old one.
func TestSeveralOpens(t *testing.T) {
	testkit.CheckLeaks(t)
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	on := embed.Dir(dir)
	for _, on := range []*embed.Server{on, on, embed.Dir(dir)} {
		a, b := open(t, on), open(t, on)
		client := options(on)
		client.Entities, client.Shards = nil, 0
		c, err := clstr.Open(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			for j, svc := range []*clstr.Service{a, b, c} {
				add(t, svc, fmt.Sprint("k-", i), int64(j+1))
			}
		}
		if err := errors.Join(a.Close(t.Context()), c.Close(t.Context())); err != nil {
			t.Error(err)
		}
		add(t, b, "k-1000", 1)
		other := options(on)
		other.Shards = 16
		if _, err := clstr.Open(t.Context(), other); !errors.Is(err, cluster.ErrLayoutMismatch) || !strings.Contains(fmt.Sprint(err), "8") {
			t.Errorf("other shards than the bucket has: %v", err)
		}
		if on.URL() != "" {
			t.Errorf("it listens at %s", on.URL())
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		again := options(on) // alone, against what the bucket has kept
		again.Shards = 16
		if _, err := clstr.Open(t.Context(), again); !errors.Is(err, cluster.ErrLayoutMismatch) {
			t.Errorf("after a restart other shards than the bucket has: %v", err)
		}
	}
}

// Ledger is durable.
type Ledger struct{ Value int64 }

func (l *Ledger) Add(_ *actor.Context, m Add) (Value, error) {
	l.Value += m.N
	return Value{l.Value}, nil
}

var ledgers = actor.Define("ledger", func(string) *Ledger { return &Ledger{} }, actor.Durable(actor.Persistence{}), actor.OnRequest((*Ledger).Add))

// TestDurable: what durable entities have stored is in the folder, also for a watch that begins
// before their first message.
func TestDurable(t *testing.T) {
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	for n := range int64(2) {
		on := options(embed.Dir(dir))
		on.Entities = clstr.Host(ledgers)
		svc, err := clstr.Open(t.Context(), on)
		if err != nil {
			t.Fatal(err)
		}
		for change, err := range clstr.Watch[Ledger](t.Context(), svc.Key(ledgers, "l")) {
			if err != nil || change.State.Value != n || change.Deleted != (n == 0) {
				t.Errorf("after %d starts there is %+v, %v", n, change, err)
			}
			break
		}
		if v, err := clstr.Ask[Value](t.Context(), svc.Key(ledgers, "l"), Add{1}); err != nil || v.Value != n+1 {
			t.Errorf("after %d starts: %v, %v", n, v, err)
		}
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestListen: another process connects, here as another Open.
func TestListen(t *testing.T) {
	testkit.CheckLeaks(t)
	on := embed.New(embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if on.URL() != "" {
		t.Errorf("before it runs it listens at %s", on.URL())
	}
	here := open(t, on)
	there := open(t, clstr.NATS(on.URL()))
	for i := range 20 {
		add(t, here, fmt.Sprint("k-", i), 1)
		add(t, there, fmt.Sprint("k-", i), 2)
	}
}

// TestFolderIsLocked: one server at a time has a folder, in this process or another, and
// what has it is named.
func TestFolderIsLocked(t *testing.T) {
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	first := open(t, embed.Dir(dir))
	want := fmt.Sprint("process ", os.Getpid())
	if _, err := clstr.Open(t.Context(), options(embed.Dir(dir))); !errors.Is(err, embed.ErrInUse) || !strings.Contains(fmt.Sprint(err), want) || !strings.Contains(fmt.Sprint(err), dir) {
		t.Errorf("in this process: %v", err)
	}
	if out, err := another(t, dir).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("in another process: %v\n%s", err, out)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Error(err)
	}
	add(t, open(t, embed.Dir(dir)), "k", 1)
}

// TestProcessIsKilled: its folder is free then, and has what it had.
func TestProcessIsKilled(t *testing.T) {
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	kill(t, dir)
	with16 := options(embed.Dir(dir))
	with16.Shards = 16
	if _, err := clstr.Open(t.Context(), with16); !errors.Is(err, cluster.ErrLayoutMismatch) || !strings.Contains(fmt.Sprint(err), "8") {
		t.Errorf("other shards than the bucket has: %v", err)
	}
	add(t, open(t, embed.Dir(dir)), "k", 1) // when the lease of the dead is over
}

// kill starts a process that opens a service on the folder, and kills it as soon as it serves.
func kill(t *testing.T, dir string) {
	t.Helper()
	other := another(t, dir)
	said, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "serves\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed
}

// another is a process that opens a service on the folder.
func another(t *testing.T, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnotherProcess$")
	cmd.Env = append(os.Environ(), "CLSTR_EMBED_DIR="+dir)
	return cmd
}

// TestAnotherProcess is the other process of the tests above.
func TestAnotherProcess(t *testing.T) {
	dir := os.Getenv("CLSTR_EMBED_DIR")
	if dir == "" {
		return
	}
	svc, err := clstr.Open(t.Context(), options(embed.Dir(dir)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("serves")
	t.Error(svc.Run(t.Context())) // until it is killed
}

// TestBadOptions: what cannot work is told by Open, and nothing is left behind.
func TestBadOptions(t *testing.T) {
	testkit.CheckLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		opts embed.Options
		want string
	}{
		{embed.Options{}, "Dir is required"},
		{embed.Options{Dir: file}, "not a directory"},
		{embed.Options{Dir: t.TempDir(), Listen: "here"}, "missing port"},
		{embed.Options{Dir: t.TempDir(), Listen: "127.0.0.1:http"}, "the port is a number"},
		{embed.Options{Dir: t.TempDir(), Listen: taken.Addr().String()}, "address already in use"},
	} {
		on := embed.New(c.opts)
		for range 2 { // a failed start keeps nothing
			if _, err := clstr.Open(t.Context(), options(on)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v; want %q", c.opts, err, c.want)
			}
		}
	}
}

// TestOpensBesideEachOther begin and end the server together.
func TestOpensBesideEachOther(t *testing.T) {
	testkit.CheckLeaks(t)
	on := embed.Dir(t.TempDir())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				svc, err := clstr.Open(t.Context(), options(on))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := clstr.Ask[Value](t.Context(), svc.Key(counters, "k"), Add{1}); err != nil {
					t.Error(err)
				}
				if err := svc.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
