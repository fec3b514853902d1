package natsstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
)

// servers answer in place of JetStream's: some looks at the bucket meet one that does
// not know it. It is there, so making it is refused.
type servers struct {
	t  *testing.T
	nc *nats.Conn

	mu    sync.Mutex
	knows map[string]string // by what is asked: of each answer to come whether it knows the bucket, y or n; then all do
	made  jetstream.StreamInfo
}

// startServers makes some over a server of NATS without JetStream.
func startServers(t *testing.T, knows map[string]string) (*servers, string) {
	t.Helper()
	url := testkit.StartNATS(t)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := &servers{t: t, nc: nc, knows: knows, made: jetstream.StreamInfo{Config: fit(), Created: time.Unix(1e9, 0)}}
	s.answer("$JS.API.STREAM.INFO.KV_clstr_members", "INFO", func() any { return s.made })
	s.answer("$JS.API.STREAM.CREATE.KV_clstr_members", "CREATE", func() any {
		return refusal(400, 10058, "stream name already in use with a different configuration")
	})
	s.answer("$JS.API.STREAM.MSG.GET.KV_clstr_members", "GET", func() any { return refusal(404, 10037, "no message found") })
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return s, url
}

func refusal(code, errCode int, text string) any {
	return map[string]any{"error": map[string]any{"code": code, "err_code": errCode, "description": text}}
}

// answer serves a subject.
func (s *servers) answer(subject, what string, with func() any) {
	_, err := s.nc.Subscribe(subject, func(m *nats.Msg) {
		s.mu.Lock()
		v := with()
		if next := s.knows[what]; next != "" {
			if next[0] == 'n' {
				v = refusal(404, 10059, "stream not found")
			}
			s.knows[what] = next[1:]
		}
		s.mu.Unlock()
		b, err := json.Marshal(v)
		if err == nil {
			err = m.Respond(b)
		}
		if err != nil {
			s.t.Errorf("answering %s: %v", subject, err)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// lead begins to take writes: the bucket has a leader now.
func (s *servers) lead() {
	n := 0
	_, err := s.nc.Subscribe("$KV.clstr_members.>", func(m *nats.Msg) {
		n++
		if err := m.Respond(fmt.Appendf(nil, `{"stream":"KV_clstr_members","seq":%d}`, n)); err != nil {
			s.t.Errorf("acknowledging %s: %v", m.Subject, err)
		}
	})
	if err != nil {
		s.t.Error(err)
	}
}

// TestOpenWhileServersAreBehind: the nodes of a new cluster open its bucket at the same
// moment. One of them makes it, and a server that does not know that yet tells the
// others that it is not there. They wait.
func TestOpenWhileServersAreBehind(t *testing.T) {
	for name, knows := range map[string]string{
		"after another has made it": "nn",
		"and again":                 "nnnynn",
		"about its leader":          "yn",
		"about both":                "nynnnyn",
		"not at all":                "",
	} {
		t.Run(name, func(t *testing.T) {
			s, url := startServers(t, map[string]string{"INFO": knows})
			waits := make(signal, 100)
			opened := make(chan error, 1)
			go func() { // the test waits for it
				store, err := natsstore.Open(patient(t), natsstore.Options{URL: url, Log: slog.New(slog.NewTextHandler(waits, nil))})
				if err == nil {
					store.Close()
				}
				opened <- err
			}()
			select {
			case <-waits: // it has said what it waits for
				s.lead()
			case err := <-opened:
				t.Fatalf("Open: %v", err)
			}
			if err := <-opened; err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

// TestReadWhileAServerIsBehind: the server that answers reads does not know the bucket
// that was made a moment ago, and the one that knows what is being made does. Nothing
// is gone.
func TestReadWhileAServerIsBehind(t *testing.T) {
	s, url := startServers(t, map[string]string{})
	s.lead()
	store := open(t, natsstore.Options{URL: url})
	s.let("GET", "n")
	_, err := store.Read(patient(t), "cfg")
	if err == nil || errors.Is(err, membership.ErrNoRecords) {
		t.Errorf("a server that is behind: %v", err)
	}
	read(t, store, "cfg")
	s.let("GET", "n")
	s.let("INFO", "n")
	_, err = store.Read(patient(t), "cfg")
	wantError(t, "no server knows it", err, membership.ErrNoRecords)
}

// let sets what the next answers know.
func (s *servers) let(what, know string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knows[what] = know
}
