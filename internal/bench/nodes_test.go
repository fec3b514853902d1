package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// BenchmarkNATSNodes is requests of 64 callers to three nodes that share the shards, beside one node that
// has them all. All run on one machine: what is gained on several shows nowhere here, and what is lost does.
func BenchmarkNATSNodes(b *testing.B) {
	url := start(b, "server", "")
	type side struct {
		name  string
		plain *cluster.Client
		users []*cluster.ScopedClient
	}
	var sides []side
	for _, s := range []struct {
		name  string
		nodes []string
	}{{"alone", []string{"node"}}, {"clstr", []string{"a", "b", "c"}}} {
		up := setUp(b, url, s.name, s.nodes...)
		sides = append(sides, side{s.name, up.client, up.users(b)})
	}
	for _, size := range []int{64, 1024} {
		payload, words := make([]byte, size), strings.Repeat("a", size)
		for _, form := range []struct {
			name string
			ask  func(s side, key int) error
		}{
			{"bytes", func(s side, key int) error {
				_, err := s.plain.RequestKey(context.Background(), "key-"+strconv.Itoa(key), "Echo", payload)
				return err
			}},
			{"json", func(s side, key int) error { return askJSON(s.users[key], words) }},
			{"proto", func(s side, key int) error { return askProto(s.users[key], words) }},
		} {
			for _, s := range sides {
				b.Run(fmt.Sprintf("%dB/%s/%s", size, form.name, s.name), func(b *testing.B) {
					spread(b, 64, func(i int) error { return form.ask(s, i%keys) })
				})
			}
		}
	}
}
