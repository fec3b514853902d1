package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"github.com/clstr-go/clstr/cluster"
)

// BenchmarkNested is requests from 1,000 callers to 10,000 active keys. Each key asks another
// key before it answers.
func BenchmarkNested(b *testing.B) {
	const callers = 1000
	learnStacks(b, callers) // as many as there are callers, whose own stacks are shallow
	keys := keyNames(benchKeys)
	for _, size := range sizes {
		b.Run(sized(size), func(b *testing.B) {
			payload := make([]byte, size)
			bare(b, func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption) {
				leaves := spawn(root, len(keys), echoes(how...))
				askers := make([]*pactor.PID, len(keys))
				for i := range askers {
					askers[i] = root.Spawn(pactor.PropsFromFunc(func(ctx pactor.Context) {
						if m, ok := ctx.Message().([]byte); ok {
							reply, err := ctx.RequestFuture(leaves[i], m, time.Minute).Result()
							if err != nil {
								b.Error(err)
							}
							ctx.Respond(reply)
						}
					}, how...))
				}
				spread(b, callers, func(i int) error {
					_, err := root.RequestFuture(askers[i%len(askers)], payload, time.Minute).Result()
					return err
				})
			})
			for _, f := range forms(size) {
				b.Run(f.name, func(b *testing.B) {
					var client *cluster.Client
					client = benchCluster(b, f.handle(does{first: func(key string) func(context.Context) error {
						number, asks := strings.CutPrefix(key, "user-")
						if !asks {
							return nil
						}
						leaf := client.Key("leaf-" + number)
						return func(ctx context.Context) error { return f.ask(ctx, leaf) }
					}}))
					users := f.activate(b, client, keys)
					spread(b, callers, func(i int) error { return f.ask(context.Background(), users[i%len(users)]) })
				})
			}
		})
	}
}
