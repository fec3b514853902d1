package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
)

// storing is a handler that counts a key's messages in the store: it answers with the count once
// that is stored.
type storing struct {
	node *cluster.Node
	mu   sync.Map // by key: *sync.Mutex
}

func (h *storing) handle(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	mu, _ := h.mu.LoadOrStore(env.Key, new(sync.Mutex))
	mu.(*sync.Mutex).Lock()
	defer mu.(*sync.Mutex).Unlock()
	k, shard := cluster.StateOf(h.node), uint32(env.Shard)
	es, _, err := k.Read(ctx, shard, state.Range{Place: state.Records, Shard: shard, Kind: "n", Key: env.Key})
	if err != nil {
		return nil, err
	}
	n := uint64(0)
	if len(es) > 0 {
		n = es[0].Record.Number
	}
	if env.Type == "read" {
		return []byte(strconv.FormatUint(n, 10)), nil
	}
	n++
	stored := make(chan error, 1)
	k.Commit(shard, state.Change{Kind: "n", Key: env.Key, Record: &state.Record{Number: n, State: []byte("{}")}},
		func(_ state.Rev, err error) { stored <- err })
	if err := <-stored; err != nil {
		return nil, err
	}
	return []byte(strconv.FormatUint(n, 10)), nil
}

// startStoring starts a node with that handler; the caller waits for Ready.
func startStoring(opts cluster.NodeOptions) *livingNode {
	h := &storing{}
	opts.Handler = h.handle
	if opts.Log == nil {
		opts.Log = quiet
	}
	h.node = cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	n := &livingNode{name: opts.NodeID, stop: cancel, ended: make(chan error, 1), Node: h.node}
	go func() { n.ended <- h.node.Run(ctx) }() // endNodes waits
	return n
}

func endNodes(t testing.TB, nodes ...*livingNode) {
	t.Helper()
	for _, n := range nodes {
		n.stop()
	}
	for _, n := range nodes {
		if err := <-n.ended; err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
}

// counts sends a message to a key, and returns its count.
func counts(t testing.TB, c *cluster.Client, key, msgType string) int {
	t.Helper()
	b, err := c.RequestKey(context.Background(), key, msgType, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", msgType, key, err)
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// switched is a store that can be taken away: nothing that is asked then arrives.
type switched struct {
	state.Store
	mu   sync.Mutex
	down bool
	hold chan struct{} // commits wait for it, if there is one

	refuse error // what a commit ends with then
}

var errAway = errors.New("the test has taken the store away")

func (s *switched) turn(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *switched) away() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errAway
	}
	return nil
}

func (s *switched) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	if err := s.away(); err != nil {
		return state.Token{}, err
	}
	return s.Store.Open(ctx, shard, o, held)
}

func (s *switched) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if err := s.away(); err != nil {
		return nil, false, err
	}
	return s.Store.Read(ctx, t, r)
}

func (s *switched) Commit(c state.Change, done func(state.Rev, error)) {
	s.mu.Lock()
	hold, refuse := s.hold, s.refuse
	s.mu.Unlock()
	go func() { // ends with the answer
		if hold != nil {
			<-hold
		}
		if err := s.away(); err != nil {
			done(0, err)
			return
		}
		if refuse != nil {
			done(0, refuse)
			return
		}
		s.Store.Commit(c, done)
	}()
}

// eventually looks until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	again, giveUp := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("%s does not come", what)
		}
	}
}

func nKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprint("key-", i))
	}
	return keys
}
