package howto_test

import (
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// docs/howto/tracing.md

type (
	Stage struct{}
	Walk  struct{ Next string }
	Trace struct{ Parent, Tenant string }
)

func (*Stage) Walk(c *actor.Context, m Walk) (Trace, error) {
	if m.Next != "" {
		return clstr.Ask[Trace](c, clstr.From(c).Kind("stage").Key(m.Next), Walk{}) // with c the headers go on
	}
	parent, _ := c.Header("traceparent")
	tenant, _ := c.Header("tenant")
	return Trace{parent, tenant}, nil
}

var stages = actor.Define("stage", func(string) *Stage { return &Stage{} }, actor.OnRequest((*Stage).Walk))

func TestTracing(t *testing.T) {
	svc, err := clstr.Open(t.Context(), clstr.Options{
		Name: "howto", On: clstr.Memory(), Entities: clstr.Host(stages), Log: quiet,
		Client: cluster.ClientOptions{Propagate: []string{"tenant"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close(t.Context())
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	trace, err := clstr.Ask[Trace](t.Context(), svc.Key(stages, "one"), Walk{Next: "two"},
		cluster.WithHeader("traceparent", parent), cluster.WithHeader("tenant", "acme"))
	if err != nil || trace != (Trace{parent, "acme"}) {
		t.Errorf("%+v, %v", trace, err)
	}
}
