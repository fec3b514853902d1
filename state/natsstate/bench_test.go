package natsstate_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
)

// on runs a benchmark on one server and on three with three replicas.
func on(b *testing.B, f func(*testing.B, *natsstate.Store)) {
	b.Run("R1", func(b *testing.B) { f(b, open(b, natsstate.Options{URL: natstest.Serve(b, server.Options{}).URL()})) })
	b.Run("R3", func(b *testing.B) { f(b, open(b, natsstate.Options{URL: natstest.ServeThree(b)})) })
}

var body = strings.Repeat("x", 256)

// BenchmarkCommit is a change of one record, through the keeper, beside a bare publication with the
// same fence and rollup.
func BenchmarkCommit(b *testing.B) {
	on(b, func(b *testing.B, s *natsstate.Store) {
		const shards, keys = 64, 1000
		k := keeper.New(keeper.Options{Store: s})
		for shard := range uint32(shards) {
			k.Open(shard, state.Owner{})
		}
		var numbers [keys]atomic.Uint64
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("callers=%d/clstr", callers), func(b *testing.B) {
				run(b, callers, func(caller, i int) error {
					key := (caller + i*callers) % keys
					done := make(chan error, 1)
					k.Commit(uint32(key%shards), set(state.Token{}, strconv.Itoa(key), numbers[key].Add(1), body), func(_ state.Rev, err error) { done <- err })
					return <-done
				})
			})
			b.Run(fmt.Sprintf("callers=%d/raw", callers), func(b *testing.B) {
				var fences [shards]string
				for shard := range uint32(shards) {
					fences[shard] = strconv.FormatUint(uint64(fenced(b, s, shard+100, state.Token{}).Rev), 10)
				}
				run(b, callers, func(caller, i int) error {
					key := (caller + i*callers) % keys
					shard := strconv.Itoa(key%shards + 100)
					for {
						m := nats.NewMsg("clstr.d.k." + shard + ".raw." + strconv.Itoa(key))
						m.Data = []byte(body)
						m.Header["Nats-Rollup"] = []string{"sub"}
						m.Header["Nats-Expected-Last-Subject-Sequence"] = []string{fences[key%shards]}
						m.Header["Nats-Expected-Last-Subject-Sequence-Subject"] = []string{"clstr.d.f." + shard}
						answer, err := s.Conn().RequestMsg(m, patience)
						if err != nil {
							return err
						}
						if !strings.Contains(string(answer.Data), "error") {
							return nil
						}
						if !strings.Contains(string(answer.Data), "10164") {
							return fmt.Errorf("%s", answer.Data)
						}
					}
				})
			})
		}
	})
}

// BenchmarkLoad is a read of one record with proof that it is fresh, beside a bare direct get.
func BenchmarkLoad(b *testing.B) {
	on(b, func(b *testing.B, s *natsstate.Store) {
		k := keeper.New(keeper.Options{Store: s})
		k.Open(7, state.Owner{})
		done := make(chan error, 1)
		k.Commit(7, set(state.Token{}, "a", 1, body), func(_ state.Rev, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.Run("clstr", func(b *testing.B) {
			for b.Loop() {
				if es, _, err := k.Read(b.Context(), 7, state.Range{Shard: 7, Kind: "account", Key: "a"}); err != nil || len(es) != 1 {
					b.Fatal(es, err)
				}
			}
		})
		b.Run("raw", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Conn().Request("$JS.API.DIRECT.GET.clstr_state.clstr.d.k.7.account.a", nil, patience); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkOpen is the opening of 1,024 shards at once.
func BenchmarkOpen(b *testing.B) {
	on(b, func(b *testing.B, s *natsstate.Store) {
		for b.Loop() {
			k := keeper.New(keeper.Options{Store: s})
			for shard := range uint32(1024) {
				k.Open(shard, state.Owner{})
			}
			for shard := range uint32(1024) {
				if _, _, err := k.Read(b.Context(), shard, state.Range{Shard: shard, Kind: "account", Key: "a"}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// run has callers do something b.N times together.
func run(b *testing.B, callers int, do func(caller, i int) error) {
	var wg sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		wg.Go(func() {
			for i := range (b.N + callers - 1) / callers {
				if err := do(caller, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
