package laws

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// bar forbids packages to link others, at any distance.
type bar struct {
	from string // packages of the module
	but  string // save these
	to   string // import paths (our own start with the module), or otherModules
	why  string
}

const (
	otherModules = "other modules"
	actorRuntime = "github.com/asynkron/protoactor-go/... go.opentelemetry.io/... github.com/prometheus/..."
	everything   = "actor/... cluster/... handlers/... internal/... metrics/... sharding/... testkit/... transport/..."
)

var bars = []bar{
	{"sharding metrics transport transport/wire transport/memtransport transport/natstransport", "",
		actorRuntime + " " + module + "/actor/... " + module + "/handlers/...",
		"a gateway hashes keys and speaks the wire without an actor runtime, and transports never see an actor"},
	{"transport metrics", "", otherModules,
		"the contract links the standard library only, and so does the leaf that metrics adapters share"},
	{"actor", "", module + "/transport/... " + module + "/sharding/...",
		"actors never see an envelope, nor which node they are on"},
	{everything, "transport/natstransport testkit internal/bench/...", "github.com/nats-io/...",
		"only who names NATS links NATS"},
	{everything, "testkit internal/bench/...", "github.com/nats-io/nats-server/...",
		"a server is linked only by who asks for one"},
	{everything + " " + programs, "", "github.com/asynkron/protoactor-go/cluster/... github.com/asynkron/protoactor-go/remote/...",
		"ownership of keys is ours, not protoactor's"},
}

var linked = sync.OnceValues(func() (map[string]listed, error) {
	return goList("-deps", "-json=ImportPath,Imports,Standard", "./...")
})

func TestLinks(t *testing.T) {
	graph, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bars {
		n := 0
		for _, pkg := range ourPackages(t) {
			if _, ok := graph[module+"/"+pkg]; !ok || !matchesAny(b.from, pkg) || matchesAny(b.but, pkg) {
				continue
			}
			n++
			if chain := link(graph, module+"/"+pkg, b.to); chain != nil {
				t.Errorf("%s links %s: %s\n\t%s", pkg, chain[len(chain)-1], b.why, strings.Join(chain, "\n\t-> "))
			}
		}
		if n == 0 {
			t.Errorf("the bar from %q to %q is about no package that is there", b.from, b.to)
		}
	}
}

// link returns a shortest chain of imports from a package to one that matches.
func link(graph map[string]listed, from, to string) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != from && (matchesAny(to, at) || to == otherModules && outside(at)) {
			var chain []string
			for ; at != ""; at = cameFrom[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range graph[at].Imports {
			if _, seen := cameFrom[next]; !seen && !graph[next].Standard {
				cameFrom[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}
