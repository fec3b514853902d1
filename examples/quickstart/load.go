package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

const (
	keys     = 1000
	requests = 10_000 // to key after key
	callers  = 64     // each waits for its reply before it sends the next
)

// answer is what one request came to.
type answer struct {
	Visited
	took time.Duration
}

// load sends the requests from all callers, and prints what came of them.
func load(ctx context.Context, client *cluster.Client, w io.Writer) error {
	answers := make([]answer, requests)
	errs := make([]error, callers)
	var all sync.WaitGroup
	began := time.Now()
	for c := range callers {
		all.Go(func() {
			for i := c; i < requests; i += callers {
				sent := time.Now()
				key := client.Key(fmt.Sprintf("user-%d", i%keys))
				v, err := cluster.NewRequest[Visit, Visited](key).Request(ctx, Visit{})
				if err != nil {
					errs[c] = err
					return
				}
				answers[i] = answer{*v, time.Since(sent)}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	if err := check(answers, keys); err != nil {
		return err
	}
	table(w, answers)
	slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.took, b.took) })
	at := func(percent int) float64 {
		return float64(answers[(requests-1)*percent/100].took.Microseconds()) / 1000
	}
	_, err := fmt.Fprintf(w, `
every key lived on one node and has counted its %d requests
%d callers over NATS, %.2f s: %.0f requests a second
latency: p50 %.2f ms, p99 %.2f ms, max %.2f ms
`, requests/keys, callers, took.Seconds(), requests/took.Seconds(), at(50), at(99), at(100))
	return err
}

// check fails unless each key lived on one node only, and has counted exactly the
// requests that were answered.
func check(answers []answer, keys int) error {
	for key := range min(keys, len(answers)) {
		node, highest, asked := answers[key].Node, 0, 0
		for i := key; i < len(answers); i += keys {
			if answers[i].Node != node {
				return fmt.Errorf("key user-%d lives on %s and on %s", key, node, answers[i].Node)
			}
			highest = max(highest, answers[i].Count)
			asked++
		}
		if highest != asked {
			return fmt.Errorf("key user-%d has counted %d requests, its callers %d", key, highest, asked)
		}
	}
	return nil
}

// table prints what each node hosts and has served.
func table(w io.Writer, answers []answer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "node\tshards\tkeys\trequests\t")
	for _, id := range nodeIDs {
		hosted, served := 0, 0
		for i, a := range answers {
			if a.Node != id {
				continue
			}
			if served++; i < keys { // the first round has asked each key once
				hosted++
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", id, len(cluster.ShardsForNode(id, nodeIDs, shards, "")), hosted, served)
	}
	fmt.Fprintf(t, "total\t%d\t%d\t%d\t\n", shards, keys, requests)
	t.Flush()
}
