package natsstate_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

func TestOpenRefusesOptions(t *testing.T) {
	for name, o := range map[string]natsstate.Options{
		"URL is required": {},
		"Replicas 6":      {URL: "nats://localhost", Replicas: 6},
		"Prefix \"a..b\"": {URL: "nats://localhost", Prefix: "a..b"},
		"Prefix \"a.*\"":  {URL: "nats://localhost", Prefix: "a.*"},
		"_INBOX":          {URL: "nats://localhost", Prefix: "_INBOX"},
		"MaxBytes -2":     {URL: "nats://localhost", MaxBytes: -2},
		"Name of 257":     {URL: "nats://localhost", Name: strings.Repeat("n", 257)},
	} {
		_, err := natsstate.Open(patient(t), o)
		if !errors.Is(err, outcome.ErrBadOption) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What waiting does not mend is said at once.
func TestOpenWithoutJetStream(t *testing.T) {
	testkit.CheckLeaks(t)
	_, err := natsstate.Open(patient(t), natsstate.Options{URL: testkit.StartNATS(t), Log: slog.New(slog.DiscardHandler)})
	wantError(t, "a server without JetStream", err, natsstate.ErrNoJetStream)
}

// A server that is not there is waited for, to the end of the context.
func TestOpenWaits(t *testing.T) {
	testkit.CheckLeaks(t)
	s := natstest.Serve(t, server.Options{})
	url := s.URL()
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := natsstate.Open(ctx, natsstate.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, outcome.ErrDisconnected) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that is not there: %v", err)
	}
	opened := make(chan error, 1)
	go func() { // the test waits for it
		s, err := natsstate.Open(patient(t), natsstate.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	s.Restart()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// A stream that cannot serve is named, with what is wrong.
func TestUnfitStreams(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	open(t, natsstate.Options{URL: url}).Close()
	for _, c := range []struct {
		stream, wrong string
		change        func(*jetstream.StreamConfig)
	}{
		{"clstr_state", "messages end after 1h0m0s", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"clstr_state", "rollup: false, want true", func(c *jetstream.StreamConfig) { c.AllowRollup = false }},
		{"clstr_state", "discard new", func(c *jetstream.StreamConfig) { c.Discard, c.MaxBytes = jetstream.DiscardOld, 1<<20 }},
		{"clstr_state", "1 messages a subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }},
		{"clstr_state", "no direct gets", func(c *jetstream.StreamConfig) { c.AllowDirect = false }},
		{"clstr_state", "atomic batches: false, want true", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		{"clstr_state", "it republishes \"\"", func(c *jetstream.StreamConfig) { c.RePublish = nil }},
		{"clstr_state", "want file", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"clstr_inbox", "rollup: true, want false", func(c *jetstream.StreamConfig) { c.AllowRollup = true }},
		{"clstr_inbox", "schedules: true, want false", func(c *jetstream.StreamConfig) {
			c.AllowMsgSchedules, c.AllowRollup, c.AllowMsgTTL, c.Discard = true, true, true, jetstream.DiscardOld
		}},
		{"clstr_inbox", "subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"clstr.in.>", "more"} }},
		{"clstr_inbox", "sealed (false) or does not acknowledge (true)", func(c *jetstream.StreamConfig) { c.NoAck = true }},
	} {
		there, err := js.Stream(t.Context(), c.stream)
		if err != nil {
			t.Fatal(err)
		}
		right := there.CachedInfo().Config
		wrong := right
		c.change(&wrong)
		for _, cfg := range []jetstream.StreamConfig{wrong, right} {
			if err := js.DeleteStream(t.Context(), c.stream); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatalf("%s: %v", c.wrong, err)
			}
			s, err := natsstate.Open(patient(t), natsstate.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				_ = s.Close()
			}
			if isRight := equal(cfg, right); isRight != (err == nil) {
				t.Errorf("%s: Open says %v, of what is right: %v", c.wrong, err, isRight)
			} else if !isRight && (!errors.Is(err, natsstate.ErrStream) || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), c.stream)) {
				t.Errorf("%s of %s: %v", c.wrong, c.stream, err)
			}
		}
	}
	_, err = natsstate.Open(patient(t), natsstate.Options{URL: url, Replicas: 3, Log: slog.New(slog.DiscardHandler)})
	wantError(t, "three replicas of a stream with one", err, natsstate.ErrStream)
}

func equal(a, b jetstream.StreamConfig) bool {
	return a.MaxAge == b.MaxAge && a.AllowRollup == b.AllowRollup && a.Discard == b.Discard && a.MaxMsgsPerSubject == b.MaxMsgsPerSubject &&
		a.AllowDirect == b.AllowDirect && a.AllowAtomicPublish == b.AllowAtomicPublish && (a.RePublish == nil) == (b.RePublish == nil) &&
		a.Storage == b.Storage && a.AllowMsgSchedules == b.AllowMsgSchedules && len(a.Subjects) == len(b.Subjects) && a.NoAck == b.NoAck
}

// The streams of the prefixes a.b and a_b have one name: the second to come is refused.
func TestPrefixesThatMeet(t *testing.T) {
	url := natstest.Serve(t, server.Options{}).URL()
	open(t, natsstate.Options{URL: url, Prefix: "a.b"})
	_, err := natsstate.Open(patient(t), natsstate.Options{URL: url, Prefix: "a_b", Log: slog.New(slog.DiscardHandler)})
	wantError(t, "the prefix a_b beside a.b", err, natsstate.ErrStream)
}

// A store that is full refuses, and keeps what it has. With room it goes on, under the same token.
func TestFullStore(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, memory := range []bool{false, true} {
		url := natstest.Serve(t, server.Options{}).URL()
		s := open(t, natsstate.Options{URL: url, MaxBytes: 1 << 20, Memory: memory})
		token := fenced(t, s, 7, state.Token{})
		body, n := strings.Repeat("x", 100<<10), uint64(0)
		var err error
		for err == nil {
			n++
			c := set(token, "a", n, body)
			c.Events = []state.Event{{Number: n, Payload: []byte(body)}}
			err = commit(t, s, c)
		}
		if !errors.Is(err, state.ErrFull) || !state.Refused(err) || n < 4 {
			t.Fatalf("change %d of a store that fills up: %v", n, err)
		}
		of := state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "a"}
		if es, _, err := s.Read(patient(t), token, of); err != nil || len(es) != 1 || es[0].Record.Number != n-1 {
			t.Errorf("of a full store: %+v, %v", es, err)
		}
		nc, err := nats.Connect(url)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		st, err := js.Stream(patient(t), "clstr_state")
		if err != nil {
			t.Fatal(err)
		}
		cfg := st.CachedInfo().Config
		cfg.MaxBytes = 8 << 20
		if _, err := js.UpdateStream(patient(t), cfg); err != nil {
			t.Fatal(err)
		}
		if err := commit(t, s, set(token, "a", n, body)); err != nil {
			t.Errorf("with room: %v", err)
		}
	}
}

// A server that takes small messages only refuses what is too large for it, as not stored.
func TestSmallPayloads(t *testing.T) {
	s := open(t, natsstate.Options{URL: natstest.Serve(t, server.Options{MaxPayload: 64 << 10}).URL()})
	token := fenced(t, s, 7, state.Token{})
	if err := commit(t, s, set(token, "a", 1, strings.Repeat("x", 64<<10))); !errors.Is(err, state.ErrTooLarge) || !state.Refused(err) {
		t.Errorf("64 KiB and what goes with them: %v", err)
	}
	if err := commit(t, s, set(token, "a", 1, strings.Repeat("x", 63<<10))); err != nil {
		t.Error(err)
	}
}

// What is stored outlives the server, and a change that is on its way when the connection goes
// is in doubt at once.
func TestServerRestarts(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := natstest.Serve(t, server.Options{})
	back := make(chan struct{}, 8)
	s := open(t, natsstate.Options{URL: srv.URL(), NATSOptions: []nats.Option{
		nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} })}})
	token := fenced(t, s, 7, state.Token{})
	if err := commit(t, s, set(token, "a", 1, "one")); err != nil {
		t.Fatal(err)
	}
	seen := make(chan state.Entry, 8)
	stop, err := s.Watch(state.Range{Place: state.Records, Shard: 7}, func(e state.Entry) { seen <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	srv.Stop()
	if err := commit(t, s, set(token, "a", 2, "two")); err == nil || state.Refused(err) {
		t.Errorf("without a server: %v", err)
	}
	srv.Restart()
	<-back
	if e := <-seen; e.Rev != 0 {
		t.Errorf("after a cut the watch says %+v, want that something may be missing", e)
	}
	token = fenced(t, s, 7, token)
	if err := commit(t, s, set(token, "a", 2, "two")); err != nil {
		t.Error(err)
	}
	if e := <-seen; e.Record.Number != 2 {
		t.Errorf("seen %+v", e)
	}
}

// Close ends what waits, refuses what comes later, and may come twice.
func TestClose(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, memory := range []bool{false, true} {
		s := open(t, natsstate.Options{URL: natstest.Serve(t, server.Options{}).URL(), Memory: memory})
		token := fenced(t, s, 7, state.Token{})
		seen := make(chan state.Entry, 8)
		if _, err := s.Watch(state.Range{Place: state.Reminders, Shard: 7}, func(e state.Entry) { seen <- e }); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 100)
		for n := range 100 {
			s.Commit(set(token, strings.Repeat("k", n+1), 1, "x"), func(_ state.Rev, err error) { done <- err })
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		for range 100 {
			<-done // stored, in doubt, or refused: but answered
		}
		if err := commit(t, s, set(token, "a", 1, "x")); !errors.Is(err, state.ErrClosed) {
			t.Errorf("a change after Close: %v", err)
		}
		if _, err := s.Open(patient(t), 7, state.Owner{}, state.Token{}); !errors.Is(err, state.ErrClosed) {
			t.Errorf("Open after Close: %v", err)
		}
		if e := <-seen; e.Rev != 0 {
			t.Errorf("the watch is told %+v as the store ends, want that it should read", e)
		}
		r := state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "a"}
		if _, _, err := s.Read(patient(t), state.Token{}, r); !errors.Is(err, state.ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
		if _, err := s.Watch(r, func(state.Entry) {}); !errors.Is(err, state.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
	}
}
