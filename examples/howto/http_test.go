package howto_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/http.md

// serve is a process's HTTP front, from its start to a planned end. Until open has returned, it
// answers 503. When ctx or the node ends, the front is not ready any more, goes on until balancers
// have seen that, and finishes what it has begun. Only then do the keys move away.
func serve(ctx context.Context, listener net.Listener, linger time.Duration, open func(context.Context) (*clstr.Service, error)) error {
	var front atomic.Pointer[http.ServeMux]
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mux := front.Load(); mux != nil {
			mux.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "starts", http.StatusServiceUnavailable)
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends with Shutdown
	svc, err := open(ctx)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /livez", svc.HealthHandler())
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			http.Error(w, "stops", http.StatusServiceUnavailable)
			return
		}
		svc.HealthHandler().ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /meters/{key}", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second) // longer than a death takes to be noticed
		defer cancel()
		total, err := clstr.Ask[Total](ctx, svc.Kind("meter").Key(r.PathValue("key")), Count{1})
		if err != nil {
			http.Error(w, err.Error(), status(w, err)) // howto/errors.md
			return
		}
		fmt.Fprintln(w, total.Value)
	})
	front.Store(mux)
	select {
	case <-ctx.Done():
	case <-svc.Node().Ended(): // drained by an operator, or replaced by a newer process with its name
	case err := <-failed:
		return errors.Join(err, svc.Close(context.WithoutCancel(ctx)))
	}
	select {
	case <-time.After(linger):
	case <-failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 45*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(ending), svc.Close(ending))
}

// process is one that a test starts and stops.
type process struct {
	url        string
	stop, wait func() error
}

func startProcess(t *testing.T, on clstr.Network, name string, db *table) *process {
	timing := testkit.LiveTiming
	timing.Lease = 20 * time.Second // no lease ends on a busy machine
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := func(ctx context.Context) (*clstr.Service, error) {
		return clstr.Open(ctx, clstr.Options{
			Name: "howto", On: on, Entities: clstr.Host(meters(db)), Log: quiet, Shards: 32,
			Node: cluster.NodeOptions{NodeID: name, Timing: timing},
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, 500*time.Millisecond, open) }() // ends with stop
	p := &process{url: "http://" + listener.Addr().String(), wait: sync.OnceValue(func() error { return <-ended })}
	p.stop = func() error { cancel(); return p.wait() }
	t.Cleanup(func() { _ = p.stop() })
	for range time.Tick(10 * time.Millisecond) { // its front answers while it opens
		if ready, err := http.Get(p.url + "/readyz"); err != nil {
			t.Fatal(err, p.wait())
		} else if ready.Body.Close(); ready.StatusCode == http.StatusOK {
			break
		}
	}
	return p
}

// TestRollingRestart restarts three processes one after the other, under load: no request
// fails, and each counts once. The balancer asks /readyz, and goes on to the next process
// where nobody listens.
func TestRollingRestart(t *testing.T) {
	db, on := &table{rows: map[string]Row{}}, clstr.Memory()
	var mu sync.Mutex
	processes := map[string]*process{}
	for _, name := range []string{"a", "b", "c"} {
		processes[name] = startProcess(t, on, name, db)
	}
	defer http.DefaultClient.CloseIdleConnections()
	post := func(path string) (int, string) {
		for {
			mu.Lock()
			var urls []string
			for _, p := range processes { // in any order
				urls = append(urls, p.url)
			}
			mu.Unlock()
			for _, url := range urls {
				ready, err := http.Get(url + "/readyz")
				if err != nil {
					continue
				}
				_ = ready.Body.Close()
				if ready.StatusCode != http.StatusOK {
					continue
				}
				res, err := http.Post(url+path, "", nil)
				if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
					continue
				}
				if err != nil {
					return 0, err.Error()
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				return res.StatusCode, string(body)
			}
		}
	}
	stop, answered := make(chan struct{}), [4]atomic.Int64{}
	var load sync.WaitGroup
	for i := range answered {
		load.Go(func() { // ends with stop
			for {
				select {
				case <-stop:
					return
				default:
				}
				if code, body := post(fmt.Sprint("/meters/m", i)); code != http.StatusOK {
					t.Errorf("%d %s", code, body)
					return
				}
				answered[i].Add(1)
			}
		})
	}
	for _, name := range []string{"a", "b", "c"} {
		mu.Lock()
		p := processes[name]
		mu.Unlock()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		next := startProcess(t, on, name, db)
		mu.Lock()
		processes[name] = next
		mu.Unlock()
	}
	close(stop)
	load.Wait()
	for i := range answered {
		if row, _ := db.read(t.Context(), fmt.Sprint("m", i)); row.Value != answered[i].Load() || row.Value == 0 {
			t.Errorf("m%d: %d were answered, %d counted", i, answered[i].Load(), row.Value)
		}
	}
}

// A newer process has the name of an older one, as in a deploy that starts the new one first. The
// older one's node has left by itself, and so does its front.
func TestFrontEndsWithItsNode(t *testing.T) {
	db, on := &table{rows: map[string]Row{}}, clstr.Memory()
	older := startProcess(t, on, "a", db)
	newer := startProcess(t, on, "a", db)
	if err := older.wait(); !errors.Is(err, membership.ErrSuperseded) {
		t.Errorf("got %v", err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	res, err := http.Post(newer.url+"/meters/m", "", nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("got %v, %v", res, err)
	}
	if err == nil {
		_ = res.Body.Close()
	}
}

// A process takes its port before it opens the service. Its front answers from then on, and ends if the
// service does not open.
func TestFrontWhileItOpens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken, goOn, ended := errors.New("no such service"), make(chan struct{}), make(chan error, 1)
	go func() { // ends when open has failed
		ended <- serve(t.Context(), listener, 0, func(context.Context) (*clstr.Service, error) { <-goOn; return nil, broken })
	}()
	defer http.DefaultClient.CloseIdleConnections()
	for _, path := range []string{"/readyz", "/meters/m"} {
		res, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %s, Retry-After %q", path, res.Status, res.Header.Get("Retry-After"))
		}
		_ = res.Body.Close()
	}
	close(goOn)
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it listens still: %v", err)
	}
}
