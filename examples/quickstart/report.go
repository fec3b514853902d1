package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is what one node hosts and has served.
type row struct {
	Node     string `json:"node"`
	Shards   int    `json:"shards"`
	Keys     int    `json:"keys"`
	Requests int    `json:"requests"`
}

// report is what the program prints.
type report struct {
	Nodes     []row   `json:"nodes"`
	Total     row     `json:"total"`
	Counted   int     `json:"counted_by_keys"` // the sum of the keys' own counts
	Errors    int     `json:"errors"`
	Callers   int     `json:"callers"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"requests_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`

	failure error
}

func newReport(o options) report {
	r := report{Total: row{Node: "total"}, Callers: o.Callers}
	for _, id := range o.nodeIDs() {
		r.Nodes = append(r.Nodes, row{Node: id})
	}
	return r
}

// row returns a node's row.
func (r *report) row(node string) *row {
	for i := range r.Nodes {
		if r.Nodes[i].Node == node {
			return &r.Nodes[i]
		}
	}
	r.Nodes = append(r.Nodes, row{Node: node}) // nobody that we have started
	return &r.Nodes[len(r.Nodes)-1]
}

func (r *report) print(w io.Writer, asJSON bool) error {
	for _, n := range r.Nodes {
		r.Total.Shards += n.Shards
		r.Total.Keys += n.Keys
		r.Total.Requests += n.Requests
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "node\tshards\tkeys\trequests\t")
	for _, n := range append(r.Nodes, r.Total) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", n.Node, n.Shards, n.Keys, n.Requests)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `
every key lived on one node; their own counts add up to %d
%d callers over NATS, %.2f s: %.0f requests a second, %d errors
latency: p50 %.2f ms, p99 %.2f ms, max %.2f ms
`, r.Counted, r.Callers, r.Seconds, r.PerSecond, r.Errors, r.P50, r.P99, r.Max)
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
