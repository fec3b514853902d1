package laws

import (
	"slices"
	"testing"
)

// row says what one package's non-test files may import beside the standard
// library, and why.
type row struct {
	pkg     string
	ours    string // packages of the module
	outside string // packages of other modules
	why     string
}

var table = []row{
	{".", "actor cluster membership membership/memstore membership/natsstore outcome sharding state state/memstate state/natsstate transport transport/memtransport transport/natstransport internal/codec internal/dispatch internal/hosting internal/natsdial internal/plain internal/sparse", "github.com/nats-io/nats.go",
		"the front: one call opens a service over NATS or in memory, so it names all that this takes, and asks handlers whether they need a store of state; packages below it link no NATS, and no other product package imports it"},
	{"embed", ". outcome internal/sparse", "github.com/nats-io/nats-server/v2/server github.com/nats-io/nats.go",
		"a network of the front with its server inside: it alone of what products import links nats-server"},
	{"sharding", "", "golang.org/x/crypto/blake2b",
		"arithmetic: a gateway hashes keys without the rest"},
	{"internal/bounds", "", "", "a leaf: what a message and an error may carry at most"},
	{"outcome", "internal/bounds internal/lossless", "",
		"what is said of a call: a leaf, so that a core and a store speak of errors without a transport"},
	{"internal/dispatch", "outcome transport internal/expiry internal/peakmap internal/plain internal/pool internal/sparse internal/standing internal/turn", "",
		"the node side of transports: all policy, no bytes, no actors"},
	{"transport", "outcome internal/bounds internal/expiry", "",
		"the contract: a gateway speaks it without an actor runtime or a message server"},
	{"internal/wire", "transport internal/bounds internal/turn outcome", "google.golang.org/protobuf/encoding/protowire",
		"bytes of envelopes and replies: the format's primitives, no reflection"},
	{"internal/wire/internal/clstrpb", "", "google.golang.org/protobuf/reflect/protoreflect google.golang.org/protobuf/runtime/protoimpl",
		"generated: the yardstick that tests measure the hand-written codec by"},
	{"transport/memtransport", "transport internal/wire internal/dispatch internal/plain internal/shardtable outcome", "",
		"a backend carries envelopes; it never sees an actor. The codec measures those that may be too large"},
	{"transport/natstransport", "transport internal/wire internal/dispatch internal/expiry internal/natsdial internal/peakmap internal/plain internal/pool internal/recent internal/sparse outcome transport/natstransport/internal/link transport/natstransport/internal/routes transport/natstransport/internal/serving", "github.com/nats-io/nats.go github.com/nats-io/nats.go/... github.com/hashicorp/golang-lru/v2/simplelru",
		"the only product package that names NATS; the server stays outside. The LRU holds remembered peers"},
	{"transport/natstransport/internal/routes", "internal/expiry internal/shardtable internal/sparse internal/wire outcome", "",
		"which node serves which shard, and questions about that: sends and hears nothing itself"},
	{"transport/natstransport/internal/serving", "internal/dispatch internal/shardtable internal/wire outcome", "",
		"which shards an end serves, and its answers about owners: sends and hears nothing itself"},
	{"transport/natstransport/internal/link", "internal/expiry internal/natsdial internal/sparse outcome", "github.com/nats-io/nats.go",
		"the connection to NATS that hears subjects and moves between servers: knows no call and no shard"},
	{"transport/transporttest", "transport internal/bounds internal/dispatch internal/standing internal/startstoptest outcome", "",
		"the suite knows the contract, never a backend"},
	{"membership", "sharding outcome", "",
		"the seam to what keeps a cluster's records, and how long things take; knows no transport"},
	{"internal/record", "membership outcome sharding", "",
		"the records of a cluster: what nodes write into a store, and read"},
	{"internal/process", "internal/record", "",
		"a leaf: which process this is, and which have ended"},
	{"membership/memstore", "membership", "",
		"a store carries records; it never decides"},
	{"membership/natsstore", "membership outcome internal/natsdial internal/record internal/sparse", "github.com/nats-io/nats.go github.com/nats-io/nats.go/...",
		"a store carries records; the server stays outside"},
	{"membership/storetest", "membership internal/record", "",
		"the suite knows the seam, never a backend"},
	{"state", "", "",
		"the seam between entities and what keeps their state: a leaf, so that a store links nothing of ours"},
	{"state/memstate", "state", "",
		"a store keeps what it is given; it knows no entity"},
	{"state/natsstate", "state outcome internal/expiry internal/natsdial internal/sparse", "github.com/nats-io/nats.go github.com/nats-io/nats.go/...",
		"a store keeps what it is given; the server stays outside"},
	{"state/statetest", "state", "",
		"the suite knows the seam, never a backend"},
	{"actor", "internal/codec internal/host internal/persist internal/plain outcome", "github.com/asynkron/protoactor-go/actor",
		"what entities are written with: typed methods on what a host calls"},
	{"internal/host", "outcome state internal/bounds internal/codec internal/command internal/expiry internal/peakmap internal/persist internal/plain internal/pool internal/shardtable internal/sparse internal/turn", "github.com/asynkron/protoactor-go/actor github.com/hashicorp/golang-lru/v2/simplelru google.golang.org/protobuf/...",
		"the keys of one process: never sees an envelope, a transport or a definition"},
	{"internal/persist", "state internal/codec", "google.golang.org/protobuf/proto",
		"what of an actor is stored, and how: no key, no turn and no store"},
	{"internal/command", "state", "", "a leaf: which messages with an ID a key has carried out"},
	{"internal/hosting", "transport internal/dispatch internal/host internal/plain internal/standing internal/turn outcome", "github.com/asynkron/protoactor-go/actor",
		"where envelopes and actors meet: what nodes and handlers of keys have in common"},
	{"handlers", "transport actor internal/host internal/hosting internal/persist", "",
		"what users make handlers with"},
	{"metrics", "", "",
		"the timers of metric interfaces: a leaf that adapters share"},
	{"cluster", "sharding outcome state transport internal/dispatch transport/memtransport actor handlers metrics membership internal/bounds internal/codec internal/coordinator internal/host internal/hosting internal/keeper internal/ownership internal/plain internal/record internal/sparse internal/standing internal/turn", "",
		"the two ends, client and node; a program that wants NATS names natstransport"},
	{"cluster/prommetrics", "cluster metrics", "github.com/prometheus/client_golang/prometheus",
		"one metrics backend beside the two ends: a program that names it links it"},
	{"cluster/cborcodec", "internal/codec internal/lossless", "github.com/fxamacker/cbor/v2",
		"one codec beside the two ends: a program that names it links it"},
	{"testkit", ". internal/dispatch internal/host internal/hosting internal/persist internal/record cluster membership membership/memstore membership/natsstore handlers actor transport transport/memtransport transport/natstransport internal/wire sharding state state/memstate metrics outcome",
		"github.com/asynkron/protoactor-go/actor github.com/nats-io/nats-server/v2/server github.com/nats-io/nats.go",
		"for tests of users: everything below, with a server inside"},
	{"internal/codec", "internal/lossless internal/plain internal/protocopy", "github.com/go-json-experiment/json github.com/go-json-experiment/json/v1 google.golang.org/protobuf/proto google.golang.org/protobuf/encoding/protowire google.golang.org/protobuf/reflect/protoreflect",
		"payloads to bytes; what types would lose is a leaf of its own, without protobuf. Codecs beside JSON register themselves"},
	{"internal/plain", "", "", "a leaf: copies of values that JSON would give back as they are"},
	{"internal/protocopy", "", "google.golang.org/protobuf/proto google.golang.org/protobuf/encoding/protowire google.golang.org/protobuf/reflect/protoreflect google.golang.org/protobuf/runtime/protoimpl",
		"a leaf: copies of protobuf messages; protoimpl tells which structs are generated"},
	{"internal/protocopy/internal/testpb", "", "google.golang.org/protobuf/proto google.golang.org/protobuf/reflect/protoreflect google.golang.org/protobuf/runtime/protoimpl",
		"generated: messages for the tests of copies"},
	{"internal/plain/plaintest", "", "", "a leaf: the memory of values, for the tests of both ends"},
	{"internal/lossless", "", "", "a leaf: what an encoder would leave out of a type"},
	{"internal/ownership", "membership outcome sharding internal/record", "",
		"which node owns which shard: decides, and does nothing"},
	{"internal/coordinator", "membership outcome sharding internal/expiry internal/ownership internal/process internal/record internal/sparse internal/standing", "",
		"the goroutines around one node's membership: knows the seams of store and node, no backend"},
	{"internal/watchtest", "cluster sharding state transport/memtransport", "",
		"the suite of watches knows the seam of state, never a backend"},
	{"internal/oncetest", "actor cluster internal/sparse state transport/memtransport", "",
		"the suite of messages with an ID knows the seam of state, never a backend"},
	{"internal/startstoptest", "", "", "a leaf: how what starts also ends, as a test"},
	{"internal/expiry", "", "", "a leaf: many deadlines on few timers"},
	{"internal/keeper", "state internal/sparse", "",
		"policy of stores of state, once for all: knows the seam, no backend and no entity"},
	{"internal/natsdial", "outcome", "github.com/nats-io/nats.go", "how transport and stores connect"},
	{"internal/natstest", "testkit", "github.com/nats-io/nats-server/v2/server", "servers for the tests of stores"},
	{"internal/peakmap", "", "", "a leaf: a map that shrinks"},
	{"internal/recent", "", "", "a leaf: the newest of rising numbers"},
	{"internal/pool", "", "", "a leaf: workers"},
	{"internal/standing", "outcome internal/expiry", "",
		"a leaf: what a node may do for a shard, known to its coordinator, its subscriptions and the suite"},
	{"internal/sparse", "", "", "a leaf: a log of a few lines a second"},
	{"internal/turn", "", "", "a leaf: turns that wait, known to actors and transports"},
	{"internal/shardtable", "", "", "a leaf: things by shard"},
	{"internal/mutants", "", "", "a leaf: what tests must notice"},
	{"internal/laws", "", "", "nothing but tests"},
}

// programs import what they like, and nobody imports them.
const programs = "examples/... cmd/... internal/bench/... internal/chaos/... internal/mutants/all"

func TestImports(t *testing.T) {
	rows := make(map[string]row)
	for _, r := range table {
		if _, twice := rows[r.pkg]; twice || r.why == "" {
			t.Errorf("the table needs one row for %s, with a reason", r.pkg)
		}
		rows[r.pkg] = r
	}
	pkgs := ourPackages(t)
	for _, pkg := range pkgs {
		if _, ok := rows[pkg]; !ok && !matchesAny(programs, pkg) {
			t.Errorf("package %s has no row in the table of imports: say what it may import, and why", pkg)
		}
	}
	for pkg := range rows {
		if !slices.Contains(pkgs, pkg) {
			t.Errorf("the table has a row for %s, which is not there", pkg)
		}
	}
	for _, f := range files(t) {
		r, ok := rows[f.pkg]
		if f.test || !ok {
			continue
		}
		for _, p := range f.imports {
			allowed := r.outside
			dir, our := ours(p)
			if our {
				p, allowed = dir, r.ours
			}
			if (our || outside(p)) && !matchesAny(allowed, p) {
				t.Errorf("%s imports %s, but %s may import only %q (%s)", f.path, p, f.pkg, allowed, r.why)
			}
		}
	}
}

func TestNobodyImportsPrograms(t *testing.T) {
	for _, f := range files(t) {
		for _, p := range f.imports {
			if dir, our := ours(p); our && matchesAny(programs, dir) && !matchesAny(programs, f.pkg) {
				t.Errorf("%s imports the program %s", f.path, dir)
			}
		}
	}
}

// meeting places see both an envelope and an actor, in non-test files.
var meetings = map[string]string{
	".":                "hands definitions of entities to a node, and closes no node from a handler",
	"internal/hosting": "turns an envelope into a call of an actor, and nobody else does",
	"handlers":         "hands factories of actors to internal/hosting, and its users' funcs take envelopes",
	"cluster":          "hands its metrics to handlers as a host.Observer",
	"testkit":          "runs an entity alone, without a transport",
}

func TestEnvelopesAndActorsMeetInHosting(t *testing.T) {
	sees := make(map[string]map[string]bool)
	for _, f := range files(t) {
		if f.test || matchesAny(programs, f.pkg) {
			continue
		}
		if sees[f.pkg] == nil {
			sees[f.pkg] = make(map[string]bool)
		}
		for _, p := range f.imports {
			sees[f.pkg][p] = true
		}
	}
	for pkg, imports := range sees {
		if imports[module+"/transport"] && (imports[module+"/actor"] || imports[module+"/internal/host"]) && meetings[pkg] == "" {
			t.Errorf("%s imports both transport and actor: they meet in internal/hosting", pkg)
		}
	}
}

// testLibraries stay out of what users link.
const testLibraries = "testing/... net/http/httptest github.com/stretchr/testify/... go.uber.org/goleak/... " +
	module + "/testkit/... " + module + "/transport/transporttest/... " + module + "/membership/storetest/... " + module + "/state/statetest/... " + module + "/internal/startstoptest/... " + module + "/internal/watchtest/... " + module + "/internal/oncetest/... " + module + "/internal/natstest/..."

// forTests may import them: each is there for tests.
var forTests = map[string]string{
	"testkit":                 "the test kit",
	"transport/transporttest": "the suite of transports",
	"membership/storetest":    "the suite of stores",
	"state/statetest":         "the suite of stores of state",
	"internal/startstoptest":  "the contract of what starts and ends",
	"internal/watchtest":      "the suite of watches of state",
	"internal/oncetest":       "the suite of messages with an ID",
	"internal/natstest":       "servers for tests",
	"internal/bench":          "benchmarks that need several processes",
	"cluster/testing.go":      "CreateTestCluster takes a *testing.T",
}

func TestTestLibrariesStayInTests(t *testing.T) {
	for _, f := range files(t) {
		if f.test || forTests[f.pkg] != "" || forTests[f.path] != "" {
			continue
		}
		for _, p := range f.imports {
			if matchesAny(testLibraries, p) {
				t.Errorf("%s imports %s, which belongs in tests", f.path, p)
			}
		}
	}
}

// Only the local actors of protoactor are of use: its cluster makes two live
// instances of one key when a node joins. Tests keep to that too.
func TestProtoactorOnlyByItsActors(t *testing.T) {
	const protoactor = "github.com/asynkron/protoactor-go"
	for _, f := range files(t) {
		for _, p := range f.imports {
			if matches(protoactor+"/...", p) && p != protoactor+"/actor" {
				t.Errorf("%s imports %s: only %s/actor is ours to use", f.path, p, protoactor)
			}
		}
	}
}
