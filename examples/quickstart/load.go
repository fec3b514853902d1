package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// answer is what one request came to.
type answer struct {
	Visited
	took time.Duration
	err  error
}

// load asks who owns what, sends the requests from all callers, key after key,
// and adds up what came back.
func load(ctx context.Context, client *cluster.Client, o options, stderr io.Writer) (report, error) {
	r := newReport(o)
	for shard := range o.Shards {
		info, err := client.Shard(uint32(shard)).GetNodeInfo(ctx)
		if err != nil {
			return r, err
		}
		r.row(info.NodeID).Shards++
	}
	o.progress(stderr, "%d nodes serve %d shards; sending %d requests to %d keys\n", o.Nodes, o.Shards, o.Requests, o.Keys)
	answers := make([]answer, o.Requests)
	var next atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range o.Callers {
		callers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(answers); i = int(next.Add(1)) - 1 {
				sent := time.Now()
				key := client.Key(fmt.Sprintf("user-%d", i%o.Keys))
				v, err := cluster.NewRequest[Visit, Visited](key).Request(ctx, Visit{})
				if err != nil {
					answers[i] = answer{err: err}
					continue
				}
				answers[i] = answer{*v, time.Since(sent), nil}
			}
		})
	}
	callers.Wait()
	r.time(answers, time.Since(began))
	return r, r.count(answers, o.Keys)
}

// count adds up who has served what, and checks it: a key must live on one node
// only, and know of exactly the requests that were answered.
func (r *report) count(answers []answer, keys int) error {
	type home struct {
		node     string
		seen     int // by the key
		answered int // by its callers
	}
	homes := make([]home, keys)
	for i, a := range answers {
		if a.err != nil {
			r.Errors++
			r.failure = fmt.Errorf("%d of %d requests failed; the last: %w", r.Errors, len(answers), a.err)
			continue
		}
		h := &homes[i%keys]
		if h.node == "" {
			h.node = a.Node
			r.row(a.Node).Keys++
		}
		if h.node != a.Node {
			return fmt.Errorf("key user-%d lives on %s and on %s", i%keys, h.node, a.Node)
		}
		h.seen = max(h.seen, a.Count)
		h.answered++
		r.row(a.Node).Requests++
	}
	for key, h := range homes {
		r.Counted += h.seen
		if h.seen != h.answered && r.failure == nil { // what has failed may have run
			return fmt.Errorf("key user-%d counts %d requests, its callers %d", key, h.seen, h.answered)
		}
	}
	return nil
}

// time works out latency and throughput.
func (r *report) time(answers []answer, took time.Duration) {
	times := make([]time.Duration, 0, len(answers))
	for _, a := range answers {
		if a.err == nil {
			times = append(times, a.took)
		}
	}
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	at := func(percent int) float64 { return milliseconds(times[(len(times)-1)*percent/100]) }
	r.P50, r.P99, r.Max = at(50), at(99), at(100)
	r.Seconds = took.Seconds()
	r.PerSecond = float64(len(times)) / r.Seconds
}
