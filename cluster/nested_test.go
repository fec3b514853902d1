package cluster_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// web is a cluster of two nodes whose entities ask each other: "Ask" of a key
// asks the key that next names, and so on while there is one; "Leaf" answers.
type web struct {
	client *cluster.Client
	next   func(key string) (target, msgType string)
}

const webSize = 1000

func newWeb(t *testing.T, wrap func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc) *web {
	t.Helper()
	w := &web{}
	h := cluster.NewKeyHandlerWithOpts(func(key string) (cluster.ServerHandlerFunc, error) {
		return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			if env.Type == "Leaf" {
				return []byte("1"), nil
			}
			to, msgType := w.next(key)
			if to == "" {
				return []byte("1"), nil
			}
			reply, err := w.client.RequestKey(ctx, to, msgType, nil)
			if err != nil {
				return nil, err
			}
			depth, err := strconv.Atoi(string(reply))
			return []byte(strconv.Itoa(depth + 1)), err
		}, nil
	}, -1)
	if wrap != nil {
		h = wrap(h)
	}
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxConcurrentHandlers: 2})
	t.Cleanup(func() { _ = tr.Close() })
	ids := []string{"n0", "n1"}
	for _, id := range ids {
		startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 16, Shards: cluster.ShardsForNode(id, ids, 16, ""), Handler: h})
	}
	w.client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 16})
	return w
}

func (w *web) ask(t *testing.T, key string, want int) {
	reply, err := w.client.RequestKey(t.Context(), key, "Ask", nil)
	if err != nil || string(reply) != strconv.Itoa(want) {
		t.Errorf("%s: got %q, %v, want %d", key, reply, err, want)
	}
}

// TestChainOfEntities: each of 1,000 waits for the next, two of them at a time
// in the sense of MaxConcurrentHandlers.
func TestChainOfEntities(t *testing.T) {
	for name, wrap := range map[string]func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{
		"direct": nil, "wrapped": func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc {
			return func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return h(ctx, env) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t, wrap)
			w.next = func(key string) (string, string) {
				i, _ := strconv.Atoi(key)
				if i == webSize-1 {
					return "", ""
				}
				return strconv.Itoa(i + 1), "Ask"
			}
			w.ask(t, "0", webSize)
		})
	}
}

// TestCrosswiseEntities: 1,000 ask at the same moment, half of them across the
// other half's way: a-i asks b-j while a-j asks b-i, on both nodes.
func TestCrosswiseEntities(t *testing.T) {
	w := newWeb(t, nil)
	w.next = func(key string) (string, string) {
		side, number := key[0], key[2:]
		i, _ := strconv.Atoi(number)
		if side == 'a' {
			return fmt.Sprint("b-", webSize-1-i), "Leaf"
		}
		return "", ""
	}
	var wg sync.WaitGroup
	for i := range webSize {
		wg.Go(func() { w.ask(t, fmt.Sprint("a-", i), 2) })
	}
	wg.Wait()
}

// TestPairsThatAskEachOther: a waits for b and b for a. One message at a time
// means that neither can be answered; the callers' deadline ends it, and both
// keys go on.
func TestPairsThatAskEachOther(t *testing.T) {
	w := newWeb(t, nil)
	w.next = func(key string) (string, string) {
		i, _ := strconv.Atoi(key)
		return strconv.Itoa(i ^ 1), "Leaf"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range webSize {
		wg.Go(func() {
			reply, err := w.client.RequestKey(ctx, strconv.Itoa(i), "Ask", nil)
			if err == nil && string(reply) != "2" {
				t.Errorf("%d: got %q", i, reply)
			}
		})
	}
	wg.Wait()
	for i := range webSize {
		if _, err := w.client.RequestKey(t.Context(), strconv.Itoa(i), "Leaf", nil); err != nil {
			t.Errorf("%d afterwards: %v", i, err)
		}
	}
}
