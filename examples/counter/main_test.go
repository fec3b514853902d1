package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// service is one that runs; stop drains it.
type service struct {
	t    *testing.T
	url  string
	stop func()
}

func start(t *testing.T, args ...string) *service {
	t.Helper()
	t.Cleanup(database.Clear)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append(args, "-listen", "127.0.0.1:0"), in) }() // ends at stop
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, url, _ := strings.Cut(strings.TrimSpace(line), "listens on ")
	s := &service{t: t, url: url}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(s.stop)
	return s
}

func (s *service) call(method, path string) (status int, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

func (s *service) want(method, path string, status int, body string) {
	s.t.Helper()
	if code, got := s.call(method, path); code != status || !strings.Contains(got, body) {
		s.t.Errorf("%s %s: %d %s; want %d %s", method, path, code, got, status, body)
	}
}

func TestCounter(t *testing.T) {
	testkit.CheckLeaks(t)
	s := start(t)
	s.want("POST", "/counters/visits/add?n=3", 200, `{"value":3}`)
	s.want("POST", "/counters/visits/add", 200, `{"value":4}`)
	s.want("GET", "/counters/visits", 200, `{"value":4}`)
	s.want("GET", "/counters/never%20seen%2F", 200, `{"value":0}`)
	s.want("POST", "/counters/visits/add?n=three", 400, `an integer`)
	s.want("GET", "/counters/visits", 200, `{"value":4}`)
	s.want("GET", "/counters/"+strings.Repeat("x", 5000), 400, `bad_envelope`)
	s.want("GET", "/counters/visits/add", 405, "")
	for _, line := range []string{
		`clstr_cluster_requests_total{message_type="Add",success="true"} 5`,
		`clstr_cluster_requests_total{message_type="Add",success="false"} 1`,
		`clstr_cluster_shards_owned{node_id="a"} 64`,
		"clstr_cluster_handler_duration_seconds_bucket",
	} {
		s.want("GET", "/metrics", 200, line)
	}
}

// TestDrain: what a counter holds is saved when the service ends, and there when
// it starts again.
func TestDrain(t *testing.T) {
	s := start(t)
	s.want("POST", "/counters/kept/add?n=7", 200, `"value":7`)
	s.stop()
	if v, _ := database.Load("kept"); v != int64(7) {
		t.Fatalf("saved: %v", v)
	}
	start(t).want("GET", "/counters/kept", 200, `"value":7`)
}

// TestDrainUnderLoad: whoever has sent a request when the end comes is answered,
// and what was answered is saved.
func TestDrainUnderLoad(t *testing.T) {
	s := start(t, "-nats", testkit.StartNATS(t))
	var answered atomic.Int64
	var half, all sync.WaitGroup
	for range 8 {
		half.Add(1)
		all.Go(func() {
			halfway := sync.OnceFunc(half.Done)
			defer halfway()
			for i := 0; ; i++ {
				if i == 50 {
					halfway()
				}
				res, err := http.Post(s.url+"/counters/busy/add", "", nil)
				if err != nil {
					return // nobody listens any more
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
					return
				}
				answered.Add(1)
			}
		})
	}
	half.Wait()
	s.stop()
	all.Wait()
	if v, _ := database.Load("busy"); v != answered.Load() {
		t.Errorf("%d were answered, %v are saved", answered.Load(), v)
	}
}

func TestTwoProcessesAreOneCluster(t *testing.T) {
	url := testkit.StartNATS(t)
	a := start(t, "-nats", url, "-nodes", "a,b", "-id", "a")
	b := start(t, "-nats", url, "-nodes", "a,b", "-id", "b")
	for _, key := range strings.Split("one two three four five six seven eight", " ") {
		a.want("POST", "/counters/"+key+"/add", 200, `"value":1`)
		b.want("POST", "/counters/"+key+"/add", 200, `"value":2`)
	}
}

// TestMissingNode: its counters are refused, and the caller is told to come again.
func TestMissingNode(t *testing.T) {
	a := start(t, "-nats", testkit.StartNATS(t), "-nodes", "a,b", "-id", "a")
	shards := cluster.ShardsForNode("b", []string{"a", "b"}, numShards, "")
	for i := range 100 {
		key := strings.Repeat("k", i+1)
		if slices.Contains(shards, cluster.ShardFromString(key, numShards, "")) {
			a.want("GET", "/counters/"+key, 503, "not started (no_subscriber)")
			return
		}
	}
	t.Fatal("node b owns no key of 100")
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		after  string
	}{
		{transport.Overloaded(10*time.Millisecond, "full"), 503, "1"},
		{cluster.ErrDraining, 503, "1"},
		{cluster.ErrTransportNoShardSubscriber, 503, "1"},
		{cluster.ErrHandlerTimeout, 504, ""},
		{context.DeadlineExceeded, 504, ""},
		{cluster.ErrPanicked, 504, ""},
		{transport.HandlerError(errors.New("no")), 500, ""},
		{cluster.ErrBadEnvelope, 400, ""},
	} {
		w := httptest.NewRecorder()
		refuse(w, test.err)
		if w.Code != test.status || w.Header().Get("Retry-After") != test.after || !strings.Contains(w.Body.String(), cluster.CodeOf(test.err)) {
			t.Errorf("%v: %d, Retry-After %q, %s", test.err, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}

// TestBadFlags: what cannot work is said, and nothing is left running.
func TestBadFlags(t *testing.T) {
	testkit.CheckLeaks(t)
	for args, want := range map[string]string{
		"-id c":                    `-id "c" is not among -nodes "a"`,
		"-port 1":                  "-port",
		"-listen nowhere":          "nowhere",
		"-nats nats://127.0.0.1:1": "127.0.0.1:1",
	} {
		if err := run(t.Context(), strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
