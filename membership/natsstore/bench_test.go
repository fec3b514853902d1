package natsstore_test

import (
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
)

// on runs a benchmark on one server and on three with three replicas.
func on(b *testing.B, f func(*testing.B, *natsstore.Store)) {
	b.Run("R1", func(b *testing.B) { f(b, open(b, natsstore.Options{URL: natstest.Serve(b, server.Options{}).URL()})) })
	b.Run("R3", func(b *testing.B) { f(b, open(b, natsstore.Options{URL: natstest.ServeThree(b)})) })
}

// A renewal: one write at a known revision.
func BenchmarkWrite(b *testing.B) {
	on(b, func(b *testing.B, s *natsstore.Store) {
		value := make([]byte, 250)
		rev := uint64(0)
		for b.Loop() {
			var err error
			if rev, err = s.Write(b.Context(), "n.a.1", rev, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	on(b, func(b *testing.B, s *natsstore.Store) {
		write(b, s, "n.a.1", 0, string(make([]byte, 250)))
		for b.Loop() {
			read(b, s, "n.a.1")
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	on(b, func(b *testing.B, s *natsstore.Store) {
		const members, shards = 100, 4096
		write(b, s, record.ConfigKey, 0, string(record.Encode(record.NewConfig(sharding.Layout{NumShards: shards}))))
		for i := range members {
			write(b, s, fmt.Sprintf("n.a.%d", i), 0, string(make([]byte, 250)))
		}
		for i := range shards {
			write(b, s, record.ShardKey(uint32(i)), 0, string(make([]byte, 100)))
		}
		for prefix, n := range map[string]int{record.MemberPrefix: members, record.ShardPrefix: shards} {
			b.Run(fmt.Sprintf("%s%d", prefix, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := s.Snapshot(b.Context(), prefix); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
