package sharding

import (
	"strings"
	"testing"
)

// The size at which assignments are measured.
var (
	large      = Layout{NumShards: 4096, Seed: "prod"}
	largeNodes = nodeIDs(100)
)

func BenchmarkShard(b *testing.B) {
	for name, key := range map[string]string{"short": "user-123", "1KiB": strings.Repeat("k", 1<<10)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				large.Shard(key)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				large.Shard("user-123")
			}
		})
	})
}

func BenchmarkShardsForNode(b *testing.B) {
	for b.Loop() {
		ShardsForNode("node-7", largeNodes, large.NumShards, large.Seed)
	}
}

func BenchmarkAssignment(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			newAssignment(b, large, largeNodes)
		}
	})
	b.Run("join", func(b *testing.B) {
		a := newAssignment(b, large, largeNodes)
		for b.Loop() {
			a.Join("node-new", 1)
			b.StopTimer()
			a.Leave("node-new")
			b.StartTimer()
		}
	})
	b.Run("leave", func(b *testing.B) {
		a := newAssignment(b, large, largeNodes)
		for b.Loop() {
			a.Leave("node-7")
			b.StopTimer()
			a.Join("node-7", 1)
			b.StartTimer()
		}
	})
}
