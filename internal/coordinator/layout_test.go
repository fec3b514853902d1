package coordinator

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

func TestOtherLayoutIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		for want, layout := range map[string]sharding.Layout{
			"NumShards 16, the cluster has 32": {NumShards: 16},
			`Seed "x", the cluster has ""`:     {NumShards: shards, Seed: "x"},
		} {
			m := cl.startWith("b", layout)
			if err := <-m.ended; !errors.Is(err, transport.ErrLayoutMismatch) || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", layout, err, want)
			}
		}
		a.stop()
		a.wantEnd(nil)
	})
}
