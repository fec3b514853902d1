// Requests to the shards that move while a node drains

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
)

// How many requests drain --probe sends.
const (
	probers    = 4
	probeEvery = 2 * time.Millisecond // for each
)

type probesJSON struct {
	Sent      int            `json:"sent"`
	Answered  int            `json:"answered"`
	Failed    int            `json:"failed"`
	Codes     map[string]int `json:"codes"`
	LongestMs float64        `json:"longest_ms"`
}

// codes lists the codes of failed probes, and how often each came.
func (p *probesJSON) codes() string {
	if p.Failed == 0 {
		return ""
	}
	var all []string
	for _, code := range slices.Sorted(maps.Keys(p.Codes)) {
		all = append(all, fmt.Sprintf("%s %d", code, p.Codes[code]))
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// probing sends requests to the shards of a node, as any client would.
type probing struct {
	client  *cluster.Client
	timeout time.Duration
	end     context.CancelFunc
	begun   sync.WaitGroup // each has sent for the first time
	work    sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	told    probesJSON
	longest time.Duration
}

// startProbing begins once a request to one shard has shown that the way there is open.
// Probing ends with ctx. asking bounds the beginning.
func (c *drainCmd) startProbing(ctx, asking context.Context, seen *view.Cluster, n *view.Node) (*probing, error) {
	client, end, err := c.client(asking, seen.Layout)
	if err != nil {
		return nil, err
	}
	var shards []uint32
	for i := range seen.Shards {
		if seen.Shards[i].Owner == n.Ref {
			shards = append(shards, uint32(i))
		}
	}
	if len(shards) > 0 {
		if _, err := client.Shard(shards[0]).GetNodeInfo(asking); err != nil { // the client has no permission, or no node serves
			end()
			return nil, fmt.Errorf("probing before the drain: %w", err)
		}
	}
	p := &probing{client: client, timeout: c.timeout, told: probesJSON{Codes: map[string]int{}}}
	ctx, cancel := context.WithCancel(ctx)
	p.end = func() { cancel(); p.work.Wait(); end() }
	for i := range min(probers, len(shards)) {
		p.begun.Add(1)
		var part []uint32
		for ; i < len(shards); i += probers {
			part = append(part, shards[i])
		}
		p.work.Go(func() { p.run(ctx, part) }) // ends with ctx
	}
	p.begun.Wait()
	return p, nil
}

// run sends to some shards, in turn. At the end it sends to each once more, because
// their new owners must answer. It waits for the requests that are under way: they
// count.
func (p *probing) run(ctx context.Context, shards []uint32) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	p.send(ctx, shards[0])
	p.begun.Done()
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			for _, shard := range shards {
				p.send(ctx, shard)
			}
			return
		case <-tick.C:
			p.send(ctx, shards[i%len(shards)])
		}
	}
}

func (p *probing) send(ctx context.Context, shard uint32) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timeout)
	defer cancel()
	_, err := p.client.Shard(shard).GetNodeInfo(ctx)
	p.note(time.Since(began), err)
}

func (p *probing) note(took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told.Sent++
	p.longest = max(p.longest, took)
	if err == nil {
		p.told.Answered++
		return
	}
	p.told.Failed++
	p.told.Codes[cluster.CodeOf(err)]++
}

// stop ends the requests and returns their outcomes.
func (p *probing) stop() *probesJSON {
	p.once.Do(p.end)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told.LongestMs = ms(p.longest)
	return &p.told
}
