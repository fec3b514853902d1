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
	everything   = ". actor/... cluster/... embed/... handlers/... internal/... metrics/... outcome/... sharding/... testkit/... transport/..."
)

var bars = []bar{
	{"sharding metrics outcome transport internal/wire transport/memtransport transport/natstransport", "",
		actorRuntime + " " + module + "/actor/... " + module + "/internal/host/... " + module + "/handlers/...",
		"a gateway hashes keys and speaks the wire without an actor runtime, and transports never see an actor"},
	{"outcome transport metrics state state/memstate", "", otherModules,
		"the contract links the standard library only, and so do the leaf that metrics adapters share and the seam of state"},
	{"actor internal/host", "", module + "/transport/... " + module + "/sharding/...",
		"actors never see an envelope, nor which node they are on"},
	{everything, ". embed internal/natsdial internal/natstest transport/natstransport/... testkit internal/bench/...", "github.com/nats-io/...",
		"only who names NATS links NATS"},
	{everything, "embed internal/natstest testkit internal/bench/...", "github.com/nats-io/nats-server/...",
		"a server is linked only by who asks for one"},
	{everything + " " + programs, "", "github.com/asynkron/protoactor-go/cluster/... github.com/asynkron/protoactor-go/remote/...",
		"ownership of keys is ours, not protoactor's"},
}

// platform makes the answers the same on every machine.
var platform = []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}

var linked = sync.OnceValues(func() (map[string]listed, error) {
	return goList(platform, "-deps", "-json=ImportPath,Imports,Standard,Module", "./...")
})

func TestLinks(t *testing.T) {
	graph, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bars {
		n := 0
		for _, pkg := range ourPackages(t) {
			if _, ok := graph[importPath(pkg)]; !ok || !matchesAny(b.from, pkg) || matchesAny(b.but, pkg) {
				continue
			}
			n++
			if chain := link(graph, importPath(pkg), b.to); chain != nil {
				t.Errorf("%s links %s: %s\n\t%s", pkg, chain[len(chain)-1], b.why, strings.Join(chain, "\n\t-> "))
			}
		}
		if n == 0 {
			t.Errorf("the bar from %q to %q is about no package that is there", b.from, b.to)
		}
	}
}

// TestLinkedModules compares the modules that each public package links, at any
// distance, with testdata/modules.txt: what a user's binary carries changes only
// where the change is seen.
func TestLinkedModules(t *testing.T) {
	const name = "testdata/modules.txt"
	graph, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, pkg := range publicPackages(t) {
		got = append(got, modules(graph, pkg)...)
	}
	if *update {
		write(t, name, got)
	} else if diff := compare(read(t, name), got); diff != "" {
		t.Errorf("the linked modules are not those of %s (if that is meant: go test ./internal/laws -update):\n%s", name, diff)
	}
}

// modules lists the other modules that a package links, one a line.
func modules(graph map[string]listed, pkg string) []string {
	seen := make(map[string]bool)
	var lines []string
	for queue := []string{importPath(pkg)}; len(queue) > 0; queue = queue[1:] {
		p := graph[queue[0]]
		if p.Standard || seen[p.ImportPath] {
			continue
		}
		seen[p.ImportPath] = true
		queue = append(queue, p.Imports...)
		if p.Module.Path != module {
			lines = append(lines, nameOf(pkg)+" links "+p.Module.Path)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
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
