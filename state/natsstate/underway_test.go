package natsstate

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/state"
)

// A batch that the server refuses, because the write before it has not reached all replicas, goes
// again and is stored. Its caller is not left in doubt.
func TestBatchBehindAWriteUnderWay(t *testing.T) {
	url := startNATS(t)
	server, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	asked := 0
	if _, err := server.Subscribe(">", func(m *nats.Msg) {
		if m.Header.Get(hdrExpected) == "" {
			return
		}
		answer := `{"stream":"clstr_state","seq":12}`
		if asked++; asked < 4 {
			answer = fmt.Sprintf(`{"error":{"code":400,"err_code":%d,"description":"wrong last sequence"}}`, codeUnderWay)
		}
		_ = m.Respond([]byte(answer))
	}); err != nil {
		t.Fatal(err)
	}
	if err := server.Flush(); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	m, err := newMux(nc, new(natsdial.Gate))
	if err != nil {
		t.Fatal(err)
	}
	c := newCommits(namesOf(""), m, &floors{of: map[uint32]state.Rev{}}, true, false)
	defer c.close()
	type result struct {
		rev state.Rev
		err error
	}
	done := make(chan result, 1)
	change := state.Change{Token: state.Token{Shard: 7, N: 2, Rev: 5}, Kind: "k", Key: "a",
		Record: &state.Record{Number: 1, Version: 1, Type: "json", State: []byte("1")}}
	c.Commit(change, func(rev state.Rev, err error) { done <- result{rev, err} })
	if r := <-done; r.err != nil || r.rev != 12 || asked != 4 {
		t.Errorf("revision %d, %v after %d publications, want 12 after 4", r.rev, r.err, asked)
	}

	// Where nothing can be published, the caller is told at once.
	nc.Close()
	change.Events = []state.Event{{Type: "json", Number: 1, Payload: []byte("2")}}
	c.Commit(change, func(rev state.Rev, err error) { done <- result{rev, err} })
	if r := <-done; r.err == nil {
		t.Errorf("stored at %d without a connection", r.rev)
	}
}
