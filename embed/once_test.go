package embed_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/embed"
)

// Purse is a durable entity.
type Purse struct{ Coins int64 }

func (p *Purse) Add(_ *actor.Context, m Add) (Value, error) {
	p.Coins += m.N
	return Value{p.Coins}, nil
}

var purses = actor.Define("purse", func(string) *Purse { return &Purse{} }, actor.OnRequest((*Purse).Add), actor.Durable(actor.Persistence{}))

// TestCommandsOutliveTheProcess: what was carried out is known from the folder, what no longer
// fits into the key's record too.
func TestCommandsOutliveTheProcess(t *testing.T) {
	const n = 150 // a record has 64
	dir := t.TempDir()
	for range 2 {
		opts := options(embed.Dir(dir))
		opts.Entities = clstr.Host(purses)
		svc, err := clstr.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			v, err := clstr.Ask[Value](t.Context(), svc.Key(purses, "p"), Add{1}, cluster.WithID(fmt.Sprint("order-", i)))
			if err != nil || v.Value != int64(i+1) {
				t.Fatalf("order %d: %v, %v", i, v, err)
			}
		}
		if err := svc.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
