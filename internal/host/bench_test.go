package host_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
)

// BenchmarkCycleShards makes new keys over the cap, so that each evicts one, spread
// over more and more shards: what it costs must not grow with their number.
func BenchmarkCycleShards(b *testing.B) {
	for _, shards := range []int{1, 1024, 16384, 65536} {
		b.Run(fmt.Sprint("shards=", shards), func(b *testing.B) {
			cap := 2 * shards
			w := newWorld(b, host.Options{CacheSize: cap, Factory: making(func(string) *entity { return &entity{} })})
			send := func(i int) {
				c := newCall()
				w.deliver(uint32(i%shards), strconv.Itoa(i), c, host.Message{})
				<-c.answered
			}
			for i := range cap {
				send(i)
			}
			b.ResetTimer()
			for i := range b.N {
				send(cap + i)
			}
		})
	}
}
