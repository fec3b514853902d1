package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// service is one that runs; stop drains it.
type service struct {
	t    *testing.T
	url  string
	stop func()
}

func start(t *testing.T) *service {
	t.Helper()
	t.Cleanup(database.Clear)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }() // ends at stop
	s := &service{t: t, url: "http://" + listener.Addr().String()}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(s.stop)
	return s
}

// call sends a request; form is the body of one that adds, empty for one that reads.
func (s *service) call(path, form string) (status int, body string) {
	s.t.Helper()
	method := http.MethodGet
	if form != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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

func (s *service) want(path, form string, status int, body string) {
	s.t.Helper()
	if code, got := s.call(path, form); code != status || !strings.Contains(got, body) {
		s.t.Errorf("%s %s: %d %s; want %d %s", path, form, code, got, status, body)
	}
}

func TestCounter(t *testing.T) {
	testkit.CheckLeaks(t)
	s := start(t)
	s.want("/readyz", "", 200, `"serving":true`)
	s.want("/counters/visits", "n=3", 200, `{"Value":3}`)
	s.want("/counters/visits", "n=1", 200, `{"Value":4}`)
	s.want("/counters/visits?n=5", "", 200, `{"Value":4}`) // a GET reads
	s.want("/counters/never%20seen%2F", "", 200, `{"Value":0}`)
	for _, form := range []string{"n=three", "n=%zz", `{"n":3}`, "x=3"} {
		s.want("/counters/visits", form, 400, `an integer`)
	}
	s.want("/counters/visits", "", 200, `{"Value":4}`)
	s.want("/counters/"+strings.Repeat("x", 5000), "", 500, `bad_envelope, not sent`)
	for _, line := range []string{
		`clstr_cluster_requests_total{kind="counter",message_type="Add",outcome="succeeded",success="true"} 5`,
		`clstr_cluster_requests_total{kind="counter",message_type="Add",outcome="not_sent",success="false"} 1`,
		`clstr_cluster_shards_owned{node_id="`, `"} 256`,
		"clstr_cluster_handler_duration_seconds_bucket",
	} {
		s.want("/metrics", "", 200, line)
	}
	s.stop()
	if _, err := http.Get(s.url); err == nil {
		t.Error("it listens when it has ended")
	}
}

// TestDrain: what a counter holds is saved when the service ends, and there when
// it starts again.
func TestDrain(t *testing.T) {
	s := start(t)
	s.want("/counters/kept", "n=7", 200, `"Value":7`)
	s.stop()
	if v, _ := database.Load("kept"); v != int64(7) {
		t.Fatalf("saved: %v", v)
	}
	start(t).want("/counters/kept", "", 200, `"Value":7`)
}

// TestDrainUnderLoad: each request that was sent before the end is answered, and what was answered is saved.
func TestDrainUnderLoad(t *testing.T) {
	s := start(t)
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
				res, err := http.PostForm(s.url+"/counters/busy", url.Values{"n": {"1"}})
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

// TestNoRoom: who never ran is told to come again.
func TestNoRoom(t *testing.T) {
	full := testkit.StubClient(func(context.Context, cluster.Envelope) ([]byte, error) { return nil, cluster.ErrOverloaded })
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/counters/k", nil)
	r.SetPathValue("key", "k")
	answer(w, r, clstr.From(clstr.WithClient(t.Context(), full)))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "overloaded, not started") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
