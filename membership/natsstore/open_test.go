package natsstore_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
)

func TestOptions(t *testing.T) {
	for name, opts := range map[string]natsstore.Options{
		"URL is required": {},
		"Replicas 6":      {URL: "nats://127.0.0.1:1", Replicas: 6},
		"Replicas -1":     {URL: "nats://127.0.0.1:1", Replicas: -1},
		`Prefix "a..b"`:   {URL: "nats://127.0.0.1:1", Prefix: "a..b"},
		`Prefix "$KV"`:    {URL: "nats://127.0.0.1:1", Prefix: "$KV"},
		`Prefix "a.*"`:    {URL: "nats://127.0.0.1:1", Prefix: "a.*"},
		`Prefix "_INBOX"`: {URL: "nats://127.0.0.1:1", Prefix: "_INBOX"},
		"Name of 257":     {URL: "nats://127.0.0.1:1", Name: strings.Repeat("n", 257)},
		"missing port":    {URL: "nats://u:secret@[::1"},
	} {
		opts.Log = slog.New(slog.DiscardHandler)
		_, err := natsstore.Open(patient(t), opts)
		wantError(t, name, err, outcome.ErrBadOption)
		if err != nil && name[0] >= 'A' && name[0] <= 'Z' && !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not say %s", err, name)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password in %v", err)
		}
	}
}

// TestConnectionIsNamed: an operator who looks at the server's connections sees whose
// each one is.
func TestConnectionIsNamed(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the server takes no connections")
	}
	open(t, natsstore.Options{URL: srv.ClientURL(), Memory: true, Name: "node-1"})
	open(t, natsstore.Options{URL: srv.ClientURL(), Memory: true})
	all, err := srv.Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all.Conns {
		names = append(names, c.Name)
	}
	if len(names) != 2 || names[0] != "clstr node-1 membership" || !strings.HasPrefix(names[1], "clstr "+filepath.Base(os.Args[0])+"@") {
		t.Errorf("the connections are named %q", names)
	}
}

// A node may start before its server does.
func TestOpenWaitsForTheServer(t *testing.T) {
	testkit.CheckLeaks(t)
	s := natstest.Serve(t, server.Options{})
	s.Stop()
	waits := make(signal, 100)
	opened := make(chan *natsstore.Store, 1)
	go func() { // the test waits for it
		store, err := natsstore.Open(patient(t), natsstore.Options{URL: s.URL(), Log: slog.New(slog.NewTextHandler(waits, nil))})
		if err != nil {
			t.Errorf("Open: %v", err)
		}
		opened <- store
	}()
	<-waits
	s.Restart()
	if store := <-opened; store != nil {
		defer store.Close()
		write(t, store, "cfg", 0, "x")
	}
}

// signal is a writer of logs that tells of each line.
type signal chan struct{}

func (s signal) Write(b []byte) (int, error) {
	s <- struct{}{}
	return len(b), nil
}

func TestOpenEndsWithItsContext(t *testing.T) {
	testkit.CheckLeaks(t)
	s := natstest.Serve(t, server.Options{})
	s.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond) // time for one try at least
	defer cancel()
	_, err := natsstore.Open(ctx, natsstore.Options{URL: strings.Replace(s.URL(), "//", "//user:secret@", 1), Log: slog.New(slog.DiscardHandler)})
	wantError(t, "Open without a server", err, outcome.ErrDisconnected)
	wantError(t, "Open without a server", err, context.DeadlineExceeded)
	if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "no servers")) {
		t.Errorf("the error %q has a password, or not the cause", err)
	}
}

func TestWrongPassword(t *testing.T) {
	s := natstest.Serve(t, server.Options{Username: "u", Password: "right"})
	_, err := natsstore.Open(patient(t), natsstore.Options{URL: strings.Replace(s.URL(), "//", "//u:wrong@", 1)})
	wantError(t, "Open with a wrong password", err, outcome.ErrNotPermitted)
	if err != nil && strings.Contains(err.Error(), "wrong") {
		t.Errorf("a password in %v", err)
	}
}

func TestNoJetStream(t *testing.T) {
	testkit.CheckLeaks(t)
	_, err := natsstore.Open(patient(t), natsstore.Options{URL: testkit.StartNATS(t), Log: slog.New(slog.DiscardHandler)})
	wantError(t, "Open without JetStream", err, natsstore.ErrNoJetStream)
}

func TestNodesOpenAtOnce(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := natsstore.Open(patient(t), natsstore.Options{URL: url})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestBucketThatAnotherHasJustMade(t *testing.T) {
	store := open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	if !store.CreateOver(patient(t)) {
		t.Error("the store does not see that another was faster")
	}
}

func TestClustersAreApart(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	a, b := open(t, natsstore.Options{URL: url}), open(t, natsstore.Options{URL: url, Prefix: "other.one"})
	write(t, a, "cfg", 0, "a")
	write(t, b, "cfg", 0, "b")
	if got := string(read(t, a, "cfg").Value); got != "a" {
		t.Errorf("one cluster reads %q of the other", got)
	}
	_, err := natsstore.Open(patient(t), natsstore.Options{URL: url, Prefix: "other_one"})
	wantError(t, "a prefix whose bucket has another's name", err, natsstore.ErrBucket)
	if err != nil && !strings.Contains(err.Error(), "other.one.ev.>") {
		t.Errorf("%v does not say whose the bucket is", err)
	}
}

// fit is what the bucket of an operator may look like.
func fit() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_clstr_members", Subjects: []string{"$KV.clstr_members.>"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew,
		AllowDirect: true, AllowMsgTTL: true, MaxBytes: 1 << 20, Description: "ours",
		RePublish: &jetstream.RePublish{Source: "$KV.clstr_members.>", Destination: "clstr.ev.>"},
	}
}

func TestBucketOfAnOperator(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*jetstream.StreamConfig)
		opts   natsstore.Options
		says   string // empty: it serves
	}{
		"fit":          {change: func(*jetstream.StreamConfig) {}},
		"marker TTL":   {change: func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = time.Minute; c.AllowRollup = true }},
		"memory":       {change: func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, says: "storage Memory"},
		"memory asked": {change: func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, opts: natsstore.Options{Memory: true}},
		"no events":    {change: func(c *jetstream.StreamConfig) { c.RePublish = nil }, says: `want "$KV.clstr_members.>" to "clstr.ev.>"`},
		"headers only": {change: func(c *jetstream.StreamConfig) { c.RePublish.HeadersOnly = true }, says: "headers only: true"},
		"history":      {change: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, says: "history 5, want 1"},
		"age":          {change: func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, says: "end after 1h0m0s"},
		"old go":       {change: func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, says: "make room"},
		"no direct":    {change: func(c *jetstream.StreamConfig) { c.AllowDirect = false }, says: "no direct gets"},
		"no TTL":       {change: func(c *jetstream.StreamConfig) { c.AllowMsgTTL = false }, says: "no TTL"},
		"subjects": {change: func(c *jetstream.StreamConfig) {
			c.Subjects = append(c.Subjects, "more")
		}, says: `"more"`},
		"replicas": {change: func(*jetstream.StreamConfig) {}, opts: natsstore.Options{Replicas: 3}, says: "replicas 1, want 3"},
	} {
		t.Run(name, func(t *testing.T) {
			url := natstest.Serve(t, server.Options{}).URL()
			cfg := fit()
			c.change(&cfg)
			createStream(t, url, cfg)
			c.opts.URL = url
			s, err := natsstore.Open(patient(t), c.opts)
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				write(t, s, "cfg", 0, "x")
				s.Close()
				return
			}
			wantError(t, "Open", err, natsstore.ErrBucket)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %s", err, c.says)
			}
		})
	}
}

func TestBucketOfANewerVersion(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	js := createStream(t, url, fit())
	if _, err := js.Publish(patient(t), "$KV.clstr_members.bucket", []byte(`{"v":2,"prefix":"clstr"}`)); err != nil {
		t.Fatal(err)
	}
	_, err := natsstore.Open(patient(t), natsstore.Options{URL: url})
	wantError(t, "Open", err, natsstore.ErrBucket)
}

func createStream(t testing.TB, url string, cfg jetstream.StreamConfig) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(patient(t), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestHandlersOfTheUserAreCalledToo(t *testing.T) {
	s := natstest.Serve(t, server.Options{})
	lost, back, failed := make(chan struct{}, 8), make(chan struct{}, 8), make(chan error, 8)
	store := open(t, natsstore.Options{URL: s.URL(), NATSOptions: []nats.Option{
		nats.ReconnectBufSize(1 << 20), // must not be
		nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failed <- err }),
	}})
	s.Stop()
	<-lost
	if _, err := store.Write(patient(t), "cfg", 0, []byte("late")); !errors.Is(err, outcome.ErrDisconnected) {
		t.Errorf("a write without a connection: %v", err)
	}
	s.Restart()
	<-back
	if e := read(t, store, "cfg"); e.Rev != 0 {
		t.Errorf("a write that had failed was sent later: %+v", e)
	}
	cause := errors.New("cause")
	store.Conn().ErrorHandler()(store.Conn(), nil, cause)
	if err := <-failed; err != cause {
		t.Errorf("heard %v", err)
	}
}
